"""Collections as people name them and as Imgur has them: whatever is odd about either."""

import secrets
from urllib.parse import quote

import pytest

from flows.cli.command_line import main
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from imgur_mirror.report import mirror_headline, summary_text
from tests.support.albums import stored
from tests.support.imgur import contents, control, new_album, new_image, put

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def no_faults(imgur):
    yield
    control(imgur, "DELETE", "api-faults")


def collection_of(imgur, path, posts, **more):
    put(imgur, f"collections/{path}", {"posts": posts, **more})


def run(capsys, *arguments):
    """Give the exit status of `imgur-mirror albums`, and what it printed."""
    status = main(mirror_albums, summary_text, arguments)
    return status, "".join(capsys.readouterr())


def images_in(folder):
    return {name.partition(".")[0] for name in stored(folder)}


def asked(imgur):
    found = control(imgur, "GET", "asked")
    control(imgur, "DELETE", "asked")
    return found


SPELLINGS = {
    "HTTP://WWW.IMGUR.COM/User/{}/Posts/?foo=bar#x": ("user/{}/posts", "user-{}-posts"),
    "m.imgur.com/user/{}/favorites/": ("user/{}/favorites", "user-{}-favorites"),
    "https://imgur.io/user/{}/favorites/folder/7/a%20title?x": (
        "user/{}/favorites/folder/7",
        "user-{}-folder-7",
    ),
    "//imgur.com/T/{}/Top/Week/": ("t/{}", "t-{}"),
    "imgur.com/r/%73{}": ("r/s{}", "r-s{}"),
    "https://imgur.com/search/Score/All?qs=list&q={}": ("search/{}", "search-{}"),
}


def test_a_collection_is_found_however_it_is_spelled(imgur, downloads, capsys):
    """In one call: each has an image of its own, and a second call asks for the pages only."""
    word = f"W{secrets.token_hex(4)}"
    images = {}
    for path, folder in SPELLINGS.values():
        image = images[folder.format(word.lower())] = new_image(imgur, bytes=3000)
        collection_of(imgur, path.format(word), [image])
    links = [spelling.format(word) for spelling in SPELLINGS]
    asked(imgur)

    assert run(capsys, *links)[0] == 0
    pages = asked(imgur)
    before = control(imgur, "GET", "counts")
    assert {name: images_in(downloads / name) for name in images} == {
        name: {image} for name, image in images.items()
    }

    assert run(capsys, *links)[0] == 0
    assert asked(imgur) == pages
    assert control(imgur, "GET", "counts") == before


@pytest.mark.parametrize(
    "words", ['"two words"', "кошки 🐈", "a/b?c#d", "100%", "a&b+c", "-x", "'"]
)
def test_a_search_asks_for_the_very_words(words, imgur, downloads, capsys):
    asked(imgur)
    status, said = run(
        capsys, f"https://imgur.com/search?q={quote(words, safe='')}", "--limit", "1"
    )
    assert status == 0
    assert "Imgur lists nothing there" in said
    assert asked(imgur) == [f"gallery/search/time/all/0?q={words}"]


def test_a_subreddit_with_the_name_of_an_album_is_no_album(imgur, downloads):
    image, album = new_image(imgur, bytes=3000), new_album(imgur, count=1, bytes=3000)
    collection_of(imgur, f"r/{album}", [image])
    mirror_albums([f"imgur.com/r/{album}", album])
    assert images_in(downloads / f"r-{album}") == {image}
    assert stored(downloads / album) == contents(imgur, album)


@pytest.mark.parametrize(
    ("given", "taken", "pages", "note"),
    [("0", 100, 2, True), ("1", 1, 1, False), ("119", 119, 3, False), ("150", 120, 4, False)],
)
def test_so_many_posts_are_taken_as_the_limit_says(given, taken, pages, note, imgur, downloads):
    """Nothing comes for it: the posts have no link."""
    word = f"l{secrets.token_hex(4)}"
    posts = [
        {"id": f"{number:03}L{word[1:4]}", "is_album": False, "link": ""} for number in range(120)
    ]
    collection_of(imgur, f"t/{word}", posts, size=50)
    asked(imgur)
    state = mirror_albums([f"imgur.com/t/{word}"], limit=int(given), return_state=True)
    assert f"{taken} of {taken} image" in state.message
    assert ("--limit takes more" in state.message) == note
    assert len(asked(imgur)) == pages


def test_a_post_that_was_removed_between_two_pages_costs_no_other(imgur, downloads, capsys):
    images = [new_image(imgur, bytes=3000) for _ in range(4)]
    ghosts = [{"id": "Ghost01", "is_album": True, "images_count": 9}, "Removed"]
    collection_of(imgur, "t/between", [*images[:2], *ghosts, *images[2:]], size=3, repeats=2)
    status, said = run(capsys, "imgur.com/t/between")
    assert status == 0
    assert "Ghost01: it was listed, and is not there any more" in said
    assert images_in(downloads / "t-between") == set(images)


REFUSALS = {
    "private": (403, "Gallery profile is private", "it is private at Imgur", 1),
    "blocked": (451, "Unavailable", "Imgur is blocked here", 1),
    "missing": (404, "No user", "Imgur has no such thing", 1),
    "an id": (403, "Invalid client_id", "set IMGUR_CLIENT_ID", 2),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_imgur_refuses_is_said_in_a_sentence(kind, imgur, downloads, capsys):
    code, words, expected, exit_status = REFUSALS[kind]
    body = {"data": {"error": words}, "success": False, "status": code}
    put(
        imgur,
        "api-faults",
        {"path": "account/refused/submissions/0", "status": code, "body": body},
    )
    status, said = run(capsys, "imgur.com/user/refused/posts")
    assert status == exit_status
    assert "the posts of refused: " in said
    assert expected in said


def test_credits_that_are_spent_between_two_pages_leave_the_rest(
    imgur, downloads, capsys, monkeypatch
):
    # This process will ask nothing more with that id, until the hour is over.
    monkeypatch.setenv("IMGUR_CLIENT_ID", "spent")
    collection_of(imgur, "t/spending", [new_image(imgur, bytes=3000) for _ in range(4)], size=2)
    put(imgur, "api-faults", {"path": "gallery/t/spending/time/0", "kind": "limits-spent"})
    asked(imgur)
    status, said = run(capsys, "imgur.com/t/spending", "imgur.com/r/cats", "PdA9Amq")
    assert status == 1
    assert asked(imgur) == ["gallery/t/spending/time/0"]
    assert said.count("not tried, and left for the next run") == 2


def test_the_command_for_one_album_names_the_one_for_collections(imgur, downloads, capsys):
    assert main(mirror_album, mirror_headline, ["https://imgur.com/T/cats"]) == 2
    assert "mirror all of it with imgur-mirror albums" in capsys.readouterr().err
