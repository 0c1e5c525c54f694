"""What the API lists and refuses, with what is right: nothing is left out in silence."""

import json
import re

import pytest

from flows.cli.command_line import main
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from flows.mirror_many import described, mirror_many
from imgur_mirror.api import BadAddress, parse_address
from imgur_mirror.api.client import fetch_collection
from imgur_mirror.models import Strategy
from imgur_mirror.report import mirror_headline, summary_text
from imgur_mirror.settings import read_settings
from tasks.artifact_key import artifact_key
from tests.support.albums import manifest, stored
from tests.support.cases import listing, read_cases
from tests.support.imgur import contents, new_album, put
from tests.support.prefect_api import artifact

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

CASES = read_cases("api.json")
NAMES = iter(range(1000))


def status(flow, said, *arguments):
    try:
        return main(flow, said, list(map(str, arguments)))
    except SystemExit as refused:
        return int(str(refused.code))


def mirror(*arguments):
    return status(mirror_album, mirror_headline, *arguments)


def mirror_all(*arguments):
    return status(mirror_albums, summary_text, *arguments)


def api_answers(imgur, path, data, status=200, **more):
    """Have the API answer always so, in its envelope."""
    body = {"data": data, "success": status == 200, "status": status}
    put(imgur, "api-faults", {"path": path, "kind": "verbatim", "body": body, "status": status,
                              **more})  # fmt: skip


def api_says(imgur, path, body, status, content_type="text/html"):
    headers = {"Content-Type": content_type}
    fault = {"path": path, "kind": "verbatim", "body": body, "status": status, "headers": headers}
    put(imgur, "api-faults", fault)


# Accounts


def account(imgur, pages):
    """An account whose albums are listed on pages of just these; its name."""
    name = f"account{next(NAMES)}"
    for number, page in enumerate([*pages, []]):
        api_answers(imgur, f"account/{name}/albums/{number}", page)
    albums = sum(map(len, pages))
    api_answers(imgur, f"account/{name}/albums/count", albums)
    return name


def entries(count, first=0):
    """Albums as an account lists them; they are nowhere."""
    return [{"id": f"a{number:06}", "images_count": 1} for number in range(first, first + count)]


PAGES = [CASES["account pages that are not full"]["pages"], [50, 50], [50, 49, 50], [1, 1, 1], [3]]


@pytest.mark.parametrize("sizes", PAGES, ids=str)
def test_all_pages_of_an_account_are_read(sizes, imgur, downloads):
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    pages = [entries(size, start) for size, start in zip(sizes, starts, strict=True)]
    name = account(imgur, pages)

    found = fetch_collection(parse_address(f"imgur.com/user/{name}"), read_settings().access)

    assert list(found.albums) == [album["id"] for page in pages for album in page]


def test_the_case_counts_its_albums():
    assert sum(PAGES[0]) == CASES["account pages that are not full"]["right"]["albums"]


def test_albums_of_pages_that_are_not_full_are_mirrored(imgur, downloads):
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(4)]
    listed = [{"id": album} for album in albums]
    name = account(imgur, [listed[:1], listed[1:3], listed[3:]])
    assert mirror_all(f"https://imgur.com/user/{name}") == 0
    assert all(stored(downloads / album) == contents(imgur, album) for album in albums)


ODD = {
    "an id of 6 letters": ({"id": "abcdef"}, "abcdef"),
    "an id of 8 letters": ({"id": "abcdefgh"}, "abcdefgh"),
    "an id with a slash": ({"id": "../../x"}, r"\.\./\.\./x"),
    "an id that is a number": ({"id": 123456}, "123456"),
    "no id": ({"title": "none"}, ""),
    "a null": (None, ""),
    "a number": (7, ""),
    "a text": ("abcdefg", ""),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_album_that_makes_no_sense_costs_itself(odd, imgur, downloads, capsys):
    """All others of the account are mirrored, and that one is named, or its place is."""
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    entry, named = ODD[odd]
    name = account(imgur, [[{"id": albums[0]}, entry], [{"id": albums[1]}]])

    assert mirror_all(f"https://imgur.com/user/{name}") == 1

    assert all(stored(downloads / album) == contents(imgur, album) for album in albums)
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(named or _numbered(2), said), said


def _numbered(number):
    """Words for an entry of which there is no more to say than its place."""
    ordinal = {1: "first", 2: "second", 3: "third"}[number]
    return rf"(?i)(entry|album|image|item|number|no\.|#)\s*(#|number |no\. ?)?{number}\b|{ordinal}"


ELSEWHERE = [
    "favorites",
    "favorites/",
    "favorites/folder/123/cats",
    "favorites/folder/123/cats/PdA9Amq",
    "folder/1/x/PdA9Amq",
    "comments",
    "about",
]


@pytest.mark.parametrize("more", ELSEWHERE)
def test_what_is_behind_an_account_is_not_the_account(more, imgur, downloads, capsys):
    """That folder, or that post, or refused with a sentence: never the albums of the account."""
    albums = [new_album(imgur, count=1, bytes=3000) for _ in range(2)]
    name = account(imgur, [[{"id": album} for album in albums]])
    address = f"https://imgur.com/user/{name}/{more}"

    ended = mirror_all(address)

    assert not any((downloads / album).exists() for album in albums)
    said = capsys.readouterr().err
    post = more.endswith("PdA9Amq") and (downloads / "PdA9Amq").exists()
    assert ended in (1, 2) or (ended == 0 and post)
    assert post or more.partition("/")[0] in said


@pytest.mark.parametrize("more", ELSEWHERE)
def test_an_address_with_more_behind_it_is_never_the_account(more):
    try:
        found = parse_address(f"https://imgur.com/user/NAME/{more}")
    except BadAddress as error:
        assert more.partition("/")[0] in str(error)  # noqa: PT017 - either is right
    else:
        assert found.kind in ("favorites", "favorites folder")


# Albums


@pytest.mark.parametrize(("counted", "count"), [(10, 5), (3, 2), (100, 1)])
def test_fewer_listed_than_counted_is_said(counted, count, imgur, downloads, capsys):
    """In the headline and in the report; what is listed is all there."""
    album = new_album(imgur, count=count, bytes=3000, listed={"images_count": counted})

    assert mirror(album) == 0

    images = "image" if counted == 1 else "images"
    sentence = f"Imgur counts {counted} {images} and lists {count}"
    assert sentence in capsys.readouterr().out
    assert sentence in artifact(f"mirror-{artifact_key(album)}")
    assert stored(downloads / album) == contents(imgur, album)


def test_as_many_listed_as_counted_is_not_said(imgur, downloads, capsys):
    assert mirror(new_album(imgur, count=3, bytes=3000)) == 0
    assert "counts" not in capsys.readouterr().out


NONSENSE = {
    "a null": None, "a number": 7, "a text": "x", "a list": [], "no field": {},
    "an id of nothing": {"id": "", "link": "https://i.imgur.com/.jpg"},
    "an id that is none": {"id": None, "link": None},
}  # fmt: skip


@pytest.mark.parametrize("odd", NONSENSE)
@pytest.mark.parametrize(("place", "count"), [(3, 2), (1, 2), (2, 4)])
def test_an_image_that_makes_no_sense_costs_itself(odd, place, count, imgur, downloads, capsys):
    """The others are stored, and the sentence says which entry made none."""
    album = new_album(imgur, count=count, bytes=3000)
    images = listing(imgur, album)
    images.insert(place - 1, NONSENSE[odd])
    about = {"images_count": len(images)}
    put(imgur, f"albums/{album}", {"count": count, "bytes": 3000, "images": images,
                                   "listed": about})  # fmt: skip

    assert mirror(album) == 1

    assert stored(downloads / album) == contents(imgur, album)
    said = capsys.readouterr().err.splitlines()[-1].replace(album, "ALBUM")
    assert re.search(_numbered(place), said), said


# An id that may be either


@pytest.fixture(params=["https://imgur.com/{}", "imgur.com/{}", "https://imgur.com/some-title-{}"])
def page(request):
    return request.param


def test_an_id_may_be_an_albums(page, imgur, downloads):
    album = new_album(imgur, count=2, bytes=3000)
    assert mirror(page.format(album)) == 0
    assert stored(downloads / album) == contents(imgur, album)


def test_an_id_may_be_an_albums_in_a_job(page, imgur, downloads, tmp_path):
    album = new_album(imgur, count=2, bytes=3000)
    (tmp_path / "links.txt").write_text(f"{page.format(album)}\n")
    assert status(mirror_many, described, tmp_path / "links.txt") == 0
    assert stored(downloads / album) == contents(imgur, album)


def test_an_id_may_be_an_images(page, imgur, downloads):
    assert mirror(page.format("Single1")) == 0
    assert set(stored(downloads / "Single1")) == {"Single1.jpg"}


def test_an_id_that_is_neither_is_said(page, imgur, downloads, capsys):
    assert mirror(page.format("Nowhere")) == 1
    assert "no such thing" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["Single1h.jpg", "Single1l.png", "Single1_d.webp?maxwidth=640"])
def test_a_thumbnail_means_its_original(name, imgur, downloads):
    assert mirror(f"https://i.imgur.com/{name}") == 0
    assert set(stored(downloads / "Single1")) == {"Single1.jpg"}


@pytest.mark.parametrize("ending", ["h.jpg", "_d.webp?maxwidth=640&shape=thumb&fidelity=high"])
def test_a_thumbnail_means_its_original_in_a_list_as_well(ending, imgur, downloads, tmp_path):
    album = new_album(imgur, count=1, bytes=3000)
    ((name, md5),) = contents(imgur, album).items()
    image = name.partition(".")[0]
    (tmp_path / "links.txt").write_text(f"{imgur}/{image}{ending}\n")
    assert status(mirror_many, described, tmp_path / "links.txt") == 0
    found = stored(downloads / "_many" / "links" / "000000")
    assert {file.partition(".")[0]: digest for file, digest in found.items()} == {image: md5}


def test_a_file_that_is_listed_under_another_name_is_not_left_alone(imgur, downloads):
    """A .jpeg that is later a .jpg: one file, or two that the manifest knows."""
    album = new_album(imgur, count=2, bytes=3000)
    plain = listing(imgur, album)
    images = [image | {"link": image["link"].replace(".jpg", ".jpeg")} for image in plain]
    for listed in (images, plain):
        put(imgur, f"albums/{album}", {"count": 2, "bytes": 3000, "images": listed})
        assert mirror(album) == 0
    known = json.dumps(manifest(downloads / album))
    assert all(f'"{name}"' in known for name in stored(downloads / album))
    assert set(contents(imgur, album)) <= set(stored(downloads / album))


# What is gone, and what is refused


@pytest.mark.parametrize("count", [3, 1])
@pytest.mark.parametrize("strategy", Strategy)
def test_an_album_of_which_all_is_gone_says_so(strategy, count, imgur, downloads, capsys):
    album = new_album(imgur, count=count, bytes=3000)
    for name in contents(imgur, album):
        put(imgur, f"faults/{name.partition('.')[0]}", {"kind": "status", "status": 404})

    assert mirror(album, "--strategy", strategy, "--workers", 2) == 0

    said = capsys.readouterr().out
    assert "all there" not in said
    assert "nothing new" not in said
    if count == 3:
        assert "none of its 3 images is there any more" in said


PRIVATE = {
    "the case": CASES["not allowed"]["body"],
    "an image": {"data": {"error": "You don't have permission to view this image."}},
    "a code": {
        "data": {"error": {"code": 403, "message": "You do not have permission to access this"}}
    },
    "in the list": {"errors": [{"code": "403", "detail": "You don't have permission to do that"}]},
}


@pytest.mark.parametrize("body", PRIVATE)
def test_a_private_album_has_a_sentence_of_its_own(body, imgur, downloads, capsys):
    """And none about a client id, which is a right one."""
    album = new_album(imgur, count=1, bytes=3000)
    for path in (f"album/{album}", f"album/{album}/images"):
        put(imgur, "api-faults", {"path": path, "kind": "verbatim", "status": 403,
                                  "body": PRIVATE[body] | {"success": False}})  # fmt: skip
    assert mirror(album) == 1
    said = capsys.readouterr().err.splitlines()[-1].lower()
    assert album in said
    assert "private" in said
    assert "client" not in said


def test_a_wrong_client_id_still_has_its_own(imgur, downloads, monkeypatch, capsys):
    monkeypatch.setenv("IMGUR_CLIENT_ID", "bad-one")
    assert mirror(new_album(imgur, count=1, bytes=3000)) == 2
    assert "set IMGUR_CLIENT_ID" in capsys.readouterr().err


PAGE = "<!doctype html><html><body>Not available in your region</body></html>"


@pytest.mark.parametrize("body", [PAGE, '{"data":{"error":"Unavailable"},"status":451}', ""])
def test_a_block_for_legal_reasons_is_said(body, imgur, downloads, capsys):
    album = new_album(imgur, count=1, bytes=3000)
    api_says(imgur, f"album/{album}", body, 451)
    assert mirror(album) == 1
    said = capsys.readouterr().err.splitlines()[-1].lower()
    assert album in said
    assert "legal" in said
    assert "in a few minutes" not in said


def test_a_page_with_403_is_not_about_a_client_id(imgur, downloads, capsys):
    album = new_album(imgur, count=1, bytes=3000)
    api_says(imgur, f"album/{album}", PAGE, 403)
    assert mirror(album) == 1
    said = capsys.readouterr().err.splitlines()[-1].lower()
    assert "client" not in said
    assert "403" in said


@pytest.mark.parametrize("case", ["not allowed", "legal"])
def test_one_refused_album_is_one_sentence(case, imgur, downloads, capsys):
    album, other = (new_album(imgur, count=1, bytes=3000) for _ in range(2))
    body, code = (PRIVATE["the case"], 403) if case == "not allowed" else (PAGE, 451)
    put(imgur, "api-faults", {"path": f"album/{album}", "kind": "verbatim", "status": code,
                              "body": body})  # fmt: skip
    assert mirror_all(album, other) == 1
    assert stored(downloads / other) == contents(imgur, other)
    last = capsys.readouterr().err.splitlines()[-1]
    assert ("private" if case == "not allowed" else "legal") in last.lower()


def test_every_case_has_its_test():
    """What was added to the cases has to be judged as well."""
    assert set(CASES) == {
        "account pages that are not full",
        "fewer listed than counted",
        "a null among the images",
        "one album id of 6 letters in an account",
        "imgur.com/ID that is an album",
        "favourites of an account",
        "everything gone",
        "not allowed",
    }
