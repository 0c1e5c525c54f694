"""The stand-in answers as Imgur does, fails as it is told to, and keeps to its network."""

import gzip
import io
import json
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from itertools import pairwise
from unittest.mock import ANY
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from standin.network import PROFILES, fifo, pool_map, profile, seconds
from standin.pictures import Picture, digest, dimensions, draw
from standin.process import READY, running
from tests.support.waiting import LONG, eventually

AUTHORIZED = {"Authorization": "Client-ID standin"}
FIELDS = (
    "id title description datetime type animated width height size views bandwidth vote favorite "
    "nsfw section account_url account_id is_ad in_most_viral has_sound tags ad_type ad_url edited "
    "in_gallery link"
)
ALBUM_FIELDS = (
    "id title description datetime cover cover_width cover_height account_url account_id privacy "
    "layout views link favorite nsfw section images_count in_gallery is_ad include_album_ads "
    "is_album images"
)


class Client:
    """A plain HTTP client of one stand-in: a session that follows and retries nothing."""

    def __init__(self, address: str) -> None:
        self.address, self.session = address, requests.Session()
        self.host, self.port = urlsplit(address).hostname, urlsplit(address).port

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(
            self.address + path, headers=named, allow_redirects=False, timeout=LONG
        )

    def api(self, path: str) -> requests.Response:
        return self.get(f"/3/{path}", **AUTHORIZED)

    def control(self, method: str, path: str, body: object = None) -> object:
        answer = requests.request(method, f"{self.address}/_/{path}", json=body, timeout=LONG)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, name: str, kind: str, **options: object) -> None:
        self.control("PUT", f"faults/{name}", {"kind": kind, **options})

    def raw(self, path: str, headers: str = "") -> socket.socket:
        """A connection on which a GET has been sent."""
        connection = socket.create_connection((self.host, self.port), timeout=LONG)
        request = f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n{headers}\r\n"
        connection.sendall(request.encode())
        return connection


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running("fast") as started:
        yield started


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = Client(address)
    yield client
    for path in ("faults", "api-faults", "served", "connections", "albums/Testing"):
        client.control("DELETE", path)
    client.session.close()


@pytest.fixture
def picture(client: Client) -> dict:
    """One JPEG of 50,000 bytes, with its `path`."""
    [made] = client.control("PUT", "albums/Testing", {"count": 1, "bytes": 50_000})
    return {**made, "path": "/" + made["name"]}


# Pictures


@pytest.mark.parametrize("size", [1_000, 1_024, 2_391, 20_600, 77_401, 100_000, 308_001, 900_000])
@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "mp4"])
@pytest.mark.filterwarnings("error")
def test_pictures_have_the_very_size_and_decode(kind, size):
    picture = Picture("AbCdEf1", kind, size)
    data = draw(picture).read(0, size)
    assert len(data) == size
    if kind == "mp4":
        assert data[4:8] == b"ftyp"
        return
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.size == dimensions(picture)
        assert image.get_format_mimetype() == picture.type


def test_a_picture_may_be_wider_than_surely_fits():
    """All of the article's have room for a megapixel."""
    for number, size in enumerate(PROFILES["article"].sizes):
        data = draw(Picture(f"wide{number:03}", "jpg", size, width=1152)).read(0, size)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert image.size == (1152, 864)


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "mp4"])
def test_any_part_of_a_picture_is_that_part(kind):
    size = 400_003
    body = draw(Picture("AbCdEf1", kind, size))
    whole = body.read(0, size)
    edges = [0, 1, 5, 700, 65_026, 65_027, 65_028, 131_000, 399_990, size]
    assert all(body.read(a, b) == whole[a:b] for i, a in enumerate(edges) for b in edges[i:])


def test_pictures_look_different_from_one_another():
    def thumbnail(name: str) -> bytes:
        data = draw(Picture(name, "jpg", 20_000)).read(0, 20_000)
        with Image.open(io.BytesIO(data)) as image:
            return image.resize((8, 6)).tobytes()

    assert len({thumbnail(f"image{number}") for number in range(50)}) == 50


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("jpg", "b3518b77e4bb3f6933ac4524e1a2815b"),
        ("png", "de8b37aeec6762479559e40bef966929"),
        ("gif", "1bf17358391259399da4866679ecf270"),
        ("mp4", "a5caff775993c378dd8aed9375b077bc"),
    ],
)
def test_pictures_are_the_same_on_every_machine(kind, known):
    assert digest(Picture("AbCdEf1", kind, 30_000)) == known


def test_fewer_bytes_than_a_picture_needs_are_refused(client):
    answer = requests.put(
        f"{client.address}/_/albums/Testing", json={"count": 1, "bytes": 20}, timeout=LONG
    )
    assert answer.status_code == 400
    assert "smallest" in answer.json()["error"]


# The API


def test_an_album_has_all_its_fields(client):
    answer = client.api("album/PdA9Amq").json()
    assert (answer["success"], answer["status"]) == (True, 200)
    album = answer["data"]
    assert set(album) == set(ALBUM_FIELDS.split())
    assert album["images_count"] == len(album["images"]) == 60
    assert len({image["id"] for image in album["images"]}) == 60
    assert all(set(image) >= set(FIELDS.split()) - {"size"} for image in album["images"])
    assert client.api("album/PdA9Amq/images").json()["data"] == album["images"]


def test_the_album_shows_every_oddity(client):
    images = client.api("album/PdA9Amq").json()["data"]["images"]
    links = [image["link"] for image in images]
    assert {image["type"] for image in images} == {
        "image/jpeg", "image/png", "image/gif", "video/mp4"
    }  # fmt: skip
    assert any(link.endswith(".jpeg") for link in links)
    assert any(
        link.endswith("h.gif") and image["size"] > 20e6
        for link, image in zip(links, images, strict=True)
    )
    assert any("size" not in image for image in images)
    assert any(image["size"] == 0 for image in images if image.get("type") == "image/png")
    assert any(image["title"] is None for image in images)
    for video in (image for image in images if image["type"] == "video/mp4"):
        assert video["size"] == 0
        assert isinstance(video["mp4_size"], str)
        assert video["mp4"] == video["link"]
        assert {"gifv", "hls", "processing"} <= set(video)


def test_what_is_listed_is_served(client):
    odd = 0
    for image in client.api("album/PdA9Amq").json()["data"]["images"]:
        answer = client.get(urlsplit(image["link"]).path)
        assert answer.headers["ETag"] == f'"{md5(answer.content).hexdigest()}"'
        size = image.get("size") or int(image.get("mp4_size", 0))
        odd += size != len(answer.content) or image["type"] != answer.headers["Content-Type"]
    assert odd == 5  # size 0, none, wrong, a PNG that is a JPEG, a GIF over 20 MB


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("album/Empty00", "images"),
        ("gallery/album/GaLry01", "images"),
        ("gallery/image/GaLimg1", "link"),
        ("image/GaLimg1", "link"),
        ("image/Single1", "link"),
        ("credits", "UserRemaining"),
    ],
)
def test_every_endpoint_answers(client, path, key):
    answer = client.api(path)
    assert answer.status_code == 200
    assert key in answer.json()["data"]


def test_an_empty_album_has_null_for_images(client):
    assert client.api("album/Empty00").json()["data"]["images"] is None


@pytest.mark.parametrize(("user", "count"), [("mirrorfan", 3), ("collector", 120)])
def test_accounts_come_in_pages_of_fifty(client, user, count):
    assert client.api(f"account/{user}/albums/count").json()["data"] == count
    pages = [client.api(f"account/{user}/albums/{page}").json()["data"] for page in range(4)]
    assert [len(page) for page in pages] == [
        max(0, min(50, count - 50 * page)) for page in range(4)
    ]
    assert len({album["id"] for page in pages for album in page}) == count
    assert all("images" not in album for page in pages for album in page)
    assert client.api(f"album/{pages[0][0]['id']}").json()["data"]["images"]


ROUTES = {
    "account/fan/albums/{}": "user/fan/albums",
    "account/fan/submissions/{}": "user/fan/posts",
    "account/fan/submissions/{}/newest": "user/fan/posts",
    "account/fan/gallery_favorites/{}": "user/fan/favorites",
    "account/fan/folders/7/favorites/{}": "user/fan/favorites/folder/7",
    "gallery/t/Fan/time/{}": "t/fan",
    "gallery/t/a%20b/time/{}": "t/a b",
    "gallery/r/Fan/time/week/{}": "r/fan",
    "gallery/search/time/all/{}?q=a%2Fb+c": "search/a/b c",
}


@pytest.mark.parametrize("route", ROUTES)
def test_a_collection_comes_in_unkind_pages(client, route):
    """What is removed is left out, and a post comes again on the next page."""
    posts = ["GaLry01", "Removed", {"id": "Odd"}, "GaLimg1", "PdA9Amq"]
    client.control("PUT", f"collections/{ROUTES[route]}", {"posts": posts, "size": 2, "repeats": 1})
    pages = []
    for number in range(4):
        data = client.api(route.format(number)).json()["data"]
        pages.append(data["items"] if isinstance(data, dict) else data)
    assert [[post["id"] for post in page] for page in pages] == [
        ["GaLry01"],
        ["Odd", "GaLimg1"],
        ["GaLimg1", "PdA9Amq"],
        [],
    ]
    (_, (_, image), (_, album), _) = pages
    assert (album["is_album"], album["images_count"]) == (True, 60)
    assert image["is_album"] is False
    # An album comes with three of its images at most, and in an account's list with none.
    assert len(album.get("images", ())) == (0 if "/albums/" in route else 3)
    client.control("DELETE", f"collections/{ROUTES[route]}")


def test_another_order_is_another(client):
    posts = ["GaLry01", "GaLimg1"]
    client.control("PUT", "collections/r/ordered", {"posts": posts})
    for sort, ids in {"time": posts, "top/week": posts[::-1]}.items():
        listed = client.api(f"gallery/r/ordered/{sort}/0").json()["data"]
        assert [post["id"] for post in listed] == ids


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("account/nobody/submissions/0", 404),
        ("account/nobody/folders/1/favorites/0", 404),
        ("gallery/t/nothing/time/0", 200),
        ("gallery/r/nothing/time/0", 200),
        ("gallery/search/time/all/0?q=nothing", 200),
        ("gallery/t/cats/sideways/0", 404),
    ],
)
def test_a_collection_that_is_not_there(client, path, status):
    answer = client.api(path)
    assert answer.status_code == status
    data = answer.json()["data"]
    assert status == 404 or (data["items"] if isinstance(data, dict) else data) == []


def test_a_single_image_comes_and_goes(client):
    made = client.control("PUT", "images/Alone01", {"bytes": 5000, "kind": "png"})
    assert client.control("GET", "images/Alone01") == {**made, "md5": ANY}
    assert client.api("gallery/image/Alone01").json()["data"]["size"] == 5000
    client.control("DELETE", "images/Alone01")
    assert client.api("image/Alone01").status_code == 404


def test_what_the_api_was_asked_for_is_recorded(client):
    client.control("DELETE", "asked")
    client.api("album/PdA9Amq")
    client.api("gallery/search/time/all/0?q=a+b")
    assert client.control("GET", "asked") == ["album/PdA9Amq", "gallery/search/time/all/0?q=a b"]


@pytest.mark.parametrize(
    "path", ["album/Nothing", "image/Nothing", "gallery/album/PdA9Amq", "gallery/image/Single1"]
)
def test_what_is_not_there_is_404(client, path):
    answer = client.api(path)
    assert answer.status_code == answer.json()["status"] == 404
    assert answer.json()["data"]["error"].startswith("Unable to find")
    assert answer.json()["data"]["request"] == f"/3/{path}"


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        ({}, 401, "Authentication required"),
        ({"Authorization": "Bearer x"}, 401, "Authentication required"),
        ({"Authorization": "Client-ID bad"}, 403, "Invalid client_id"),
    ],
)
def test_credentials_are_looked_at(client, sent, status, says):
    answer = client.get("/3/album/PdA9Amq", **sent)
    assert answer.status_code == status
    assert answer.json()["data"]["error"] == says


def test_every_answer_tells_its_credits(client):
    first, second = client.api("credits"), client.api("album/Nothing")
    for answer in (first, second):
        assert {h for h in answer.headers if h.startswith("X-RateLimit-")} == {
            f"X-RateLimit-{who}{what}"
            for who in ("User", "Client")
            for what in ("Limit", "Remaining", "Reset")
        }
    assert first.json()["data"]["UserLimit"] == 500


@pytest.mark.parametrize(
    ("kind", "options", "status", "body"),
    [
        ("not-found", {}, 404, '"Unable to find an album'),
        ("bad-client", {}, 403, "Invalid client_id"),
        ("no-credentials", {}, 401, "Authentication required"),
        ("over-capacity", {}, 403, "temporarily over capacity"),
        ("rate-limited", {}, 429, '{"errors": ['),
        ("rate-limited-old", {"inside": 400}, 429, '"status": 400'),
        ("rate-limited-old", {"inside": 500}, 429, '"status": 500'),
        ("nested", {"status": 400}, 400, '"error": {"code": 429'),
        ("nested", {}, 429, '"error": {"code": 429'),
        ("success-empty", {}, 200, '"data": {}, "success": true'),
        ("success-false", {}, 200, '"data": false'),
        ("success-null", {}, 200, '"data": null'),
        ("success-string", {}, 200, '"data": "Imgur'),
        ("success-error", {}, 200, '"data": {"error": "Unable'),
        *[("html", {"status": s}, s, "<html>") for s in (200, 400, 403, 429, 500, 502, 503)],
        ("nesting", {}, 200, "[" * 100_000),
        ("wrong-types", {}, 200, '"images": 7'),
        ("verbatim", {"status": 418, "body": "tea"}, 418, "tea"),
        ("verbatim", {"body": {"data": [1]}}, 200, '{"data": [1]}'),
        ("redirect", {"location": "http://elsewhere.test/"}, 302, ""),
        ("huge", {"bytes": 1_000_000}, 200, '{"data":{"id":"\0\0'),
    ],
)  # fmt: skip
def test_the_api_errs_as_told_and_so_often(client, kind, options, status, body):
    fault = {"path": "album/PdA9Amq", "kind": kind, "times": 1, **options}
    client.control("PUT", "api-faults", fault)
    answer = client.api("album/PdA9Amq")
    assert answer.status_code == status
    assert body in answer.text
    assert answer.headers.get("Location") == options.get("location")
    assert "X-RateLimit-UserLimit" in answer.headers
    assert client.api("album/PdA9Amq").json()["success"] is True


@pytest.mark.parametrize(
    ("kind", "headers", "remaining", "reset"),
    [
        ("limits-missing", {}, None, None),
        ("limits-garbage", {}, "soon", "soon"),
        ("limits-seconds", {}, r"\d+", "1800"),
        ("limits-spent", {}, "0", "1800"),
        ("limits", {"X-RateLimit-UserRemaining": 1}, "1", r"\d{10}"),
        ("html", {"X-RateLimit-UserRemaining": None, "Retry-After": "0"}, None, r"\d{10}"),
    ],
)
def test_credits_can_be_anything(client, kind, headers, remaining, reset):
    client.control("PUT", "api-faults", {"path": "*", "kind": kind, "headers": headers})
    sent = client.api("credits").headers
    for wanted, name in ((remaining, "UserRemaining"), (reset, "UserReset")):
        value = sent.get(f"X-RateLimit-{name}")
        assert value is wanted if wanted is None else re.fullmatch(wanted, value)
    assert sent.get("Retry-After") == headers.get("Retry-After")


@pytest.mark.parametrize("kind", ["stall", "reset"])
def test_the_api_may_not_answer_at_all(client, kind):
    client.control("PUT", "api-faults", {"path": "credits", "kind": kind})
    with client.raw("/3/credits", "Authorization: Client-ID x\r\n") as connection:
        if kind == "reset":
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        else:
            assert select.select([connection], [], [], 0.2)[0] == []


# The image host


def test_an_image_has_its_headers(client, picture):
    answer = client.get(picture["path"])
    assert answer.status_code == 200
    assert len(answer.content) == picture["bytes"] == int(answer.headers["Content-Length"])
    assert answer.headers["ETag"] == f'"{md5(answer.content).hexdigest()}"'
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000"
    assert "Last-Modified" in answer.headers


@pytest.mark.parametrize(
    ("headers", "status", "size"),
    [
        ({"Referer": "http://elsewhere.test/"}, 403, 0),
        ({"Referer": "https://imgur.com/a/PdA9Amq"}, 200, 50_000),
        ({"Accept": "image/*,*/*"}, 200, 50_000),
        ({"User_Agent": "curl/8.0"}, 200, 50_000),
    ],
)
def test_the_request_must_look_right(client, picture, headers, status, size):
    answer = client.get(picture["path"], **headers)
    assert (answer.status_code, len(answer.content)) == (status, size)


def test_who_accepts_html_gets_html(client, picture):
    answer = client.get(picture["path"], Accept="text/html,*/*")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"<html>" in answer.content


@pytest.mark.parametrize(
    ("path", "location"),
    [("/", "https://imgur.com/"), ("/Unknown.jpg", "/removed.png")],
)
def test_what_is_not_there_redirects(client, path, location):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, location)


def test_other_addresses_of_the_host(client, picture):
    assert len(client.get("/removed.png").content) == 503
    assert client.get("/favicon").status_code == 404
    whole = client.get(picture["path"]).content
    assert client.get(f"/{picture['id']}h.jpg").content == whole
    assert b"<html>" in client.get(f"/{picture['id']}.gifv").content


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=49999-", 49_999, 50_000),
        ("bytes=40000-99999", 40_000, 50_000),
        ("bytes=-10", 49_990, 50_000),
    ],
)
def test_ranges(client, picture, wanted, start, stop):
    whole = client.get(picture["path"])
    for validator in (whole.headers["ETag"], whole.headers["Last-Modified"]):
        answer = client.get(picture["path"], Range=wanted, If_Range=validator)
        assert answer.status_code == 206
        assert answer.content == whole.content[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/50000"


def test_a_range_past_the_end_and_ranges_of_another_version(client, picture):
    past = client.get(picture["path"], Range="bytes=50000-")
    assert (past.status_code, past.headers["Content-Range"]) == (416, "bytes */50000")
    assert client.get(picture["path"], Range="bytes=1-", If_Range='"old"').status_code == 200
    assert client.get(picture["path"], Range="lines=1-").status_code == 200


def test_who_has_it_gets_304(client, picture):
    etag = client.get(picture["path"]).headers["ETag"]
    same = client.get(picture["path"], If_None_Match=f'"x", {etag}')
    assert (same.status_code, same.content) == (304, b"")
    assert client.get(picture["path"], If_None_Match='"x"').status_code == 200


def test_head_has_headers_only(client, picture):
    answer = client.session.head(client.address + picture["path"], timeout=LONG)
    assert answer.headers["Content-Length"] == "50000"
    assert client.get(picture["path"]).status_code == 200


def test_a_strict_host_refuses_the_agents_of_libraries():
    with running("fast", "--strict-agent") as address:
        client = Client(address)
        path = "/GaLimg1.png"
        assert client.get(path).status_code == 429
        assert client.get(path, User_Agent="curl/8.5").status_code == 429
        aiohttp = client.get(path, User_Agent="Python/3.11 aiohttp/3.14")
        assert aiohttp.status_code == 429
        assert client.get(path, User_Agent="imgur-mirror/1").status_code == 200


# Faults of the image host


@pytest.mark.parametrize("status", [404, 410, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("retry", [None, 2, "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_any_status(client, picture, status, retry):
    client.fault(picture["id"], "status", status=status, retry_after=retry, times=2)
    for _ in range(2):
        answer = client.get(picture["path"])
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers.get("Retry-After") == (None if retry is None else str(retry))
    assert client.get(picture["path"]).status_code == 200


def test_faults_follow_one_another_and_may_be_for_all(client, picture):
    first = {"kind": "status", "status": 500, "times": 1, "skip": 1}
    client.control("PUT", f"faults/{picture['id']}", [first, {"kind": "empty", "times": 1}])
    client.fault("*", "status", status=429, times=1)
    answers = [client.get(picture["path"]) for _ in range(4)]
    assert [(a.status_code, bool(a.content)) for a in answers] == [
        (200, False), (500, False), (429, False), (200, True)
    ]  # fmt: skip


def test_an_unknown_fault_is_refused(client, picture):
    answer = requests.put(
        f"{client.address}/_/faults/{picture['id']}", json={"kind": "gremlin"}, timeout=LONG
    )
    assert answer.status_code == 400
    assert "stall-mid" in answer.json()["error"]


@pytest.mark.parametrize(
    ("kind", "options", "path"),
    [
        ("removed", {}, "/removed.png"),
        ("redirect", {"location": "http://elsewhere.test/x"}, "http://elsewhere.test/x"),
    ],
)
def test_redirects(client, picture, kind, options, path):
    client.fault(picture["id"], kind, **options)
    answer = client.get(picture["path"])
    assert (answer.status_code, answer.headers["Location"]) == (302, path)


def test_a_detour_to_removed_and_a_loop(client, picture):
    client.fault(picture["id"], "removed-via")
    answer = client.session.get(client.address + picture["path"], timeout=LONG)
    assert [urlsplit(hop.url).path == "/removed.png" for hop in answer.history] == [False, False]
    assert urlsplit(answer.url).path == "/removed.png"
    client.fault(picture["id"], "redirect-loop")
    with pytest.raises(requests.TooManyRedirects):
        client.session.get(client.address + picture["path"], timeout=LONG)


def test_faults_of_the_file(client, picture):
    whole = client.get(picture["path"])

    def faulty(kind: str, **options: object) -> requests.Response:
        client.fault(picture["id"], kind, **options)
        answer = client.get(picture["path"])
        assert answer.status_code == 200
        return answer

    def etag(kind: str) -> str:
        answer = faulty(kind)
        assert answer.content == whole.content
        return answer.headers["ETag"].strip('"')

    assert etag("wrong-etag") == etag("wrong-etag") != whole.headers["ETag"].strip('"')
    assert re.fullmatch("[0-9a-f]{32}", etag("wrong-etag"))
    assert etag("changing-etag") != etag("changing-etag")
    assert re.fullmatch("[0-9a-f]{32}-3", etag("multipart-etag"))
    assert "ETag" not in faulty("no-etag").headers
    assert faulty("wrong-kind").content.startswith(b"\x89PNG")
    edited = faulty("new-version", bytes=60_000)
    assert len(edited.content) == 60_000
    assert edited.headers["ETag"] == f'"{md5(edited.content).hexdigest()}"'
    corrupt = faulty("corrupt", at=777)
    assert corrupt.headers["ETag"] == whole.headers["ETag"]
    assert [i for i in range(50_000) if corrupt.content[i] != whole.content[i]] == [777]


def test_faults_of_ranges_leave_other_answers_alone(client, picture):
    wanted = {"Range": "bytes=100-"}
    client.fault(picture["id"], "no-range")
    assert len(client.get(picture["path"], **wanted).content) == 50_000
    for kind, status, told in (
        ("bad-range", 206, "bytes 100-49999/1"),
        ("range-416", 416, "bytes */50000"),
    ):
        client.fault(picture["id"], kind, times=1)
        assert client.get(picture["path"]).status_code == 200
        answer = client.get(picture["path"], **wanted)
        assert (answer.status_code, answer.headers["Content-Range"]) == (status, told)
        assert client.get(picture["path"], **wanted).headers["Content-Range"].endswith("/50000")


def test_bodies_that_are_not_what_they_seem(client, picture):
    whole = client.get(picture["path"]).content
    client.fault(picture["id"], "no-length")
    answer = client.get(picture["path"])
    assert "Content-Length" not in answer.headers
    assert answer.content == whole
    client.fault(picture["id"], "empty")
    answer = client.get(picture["path"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    client.fault(picture["id"], "html")
    assert client.get(picture["path"]).headers["Content-Type"].startswith("text/html")
    client.fault(picture["id"], "gzipped")
    assert client.get(picture["path"]).content == whole


def test_a_small_answer_unpacks_to_a_large_one(client, picture):
    client.fault(picture["id"], "gzip", unpacked=32 << 20)
    url = client.address + picture["path"]
    with client.session.get(url, stream=True, timeout=LONG) as answer:
        packed = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 100_000
    assert gzip.decompress(packed) == bytes(32 << 20)


@pytest.mark.parametrize(("kind", "claimed"), [("endless", None), ("too-large", str(10 << 30))])
def test_bodies_without_end(client, picture, kind, claimed):
    whole = client.get(picture["path"]).content
    client.fault(picture["id"], kind)
    url = client.address + picture["path"]
    with client.session.get(url, stream=True, timeout=LONG) as answer:
        assert answer.headers.get("Content-Length") == claimed
        begun = answer.raw.read(5_000_000)
    assert begun == whole + bytes(5_000_000 - len(whole))
    assert eventually(lambda: client.control("GET", "connections")["in_flight"] == 0)


def read_on(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    data = b""
    while block := connection.recv(65_536):
        data += block
    return data


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_connections_that_end_before_an_answer(client, picture, kind):
    client.fault(picture["id"], kind)
    with client.raw(picture["path"]) as connection:
        if kind == "reset":
            with pytest.raises(ConnectionResetError):
                read_on(connection)
        else:
            assert read_on(connection) == b""


@pytest.mark.parametrize("kind", ["reset-mid", "close-mid", "stall-mid"])
def test_connections_that_end_in_mid_body(client, picture, kind):
    client.fault(picture["id"], kind, bytes=12_345)
    with client.raw(picture["path"]) as connection:
        data = b""
        while len(data.partition(b"\r\n\r\n")[2]) < 12_345:
            data += connection.recv(65_536)
        assert b"Content-Length: 50000" in data
        assert len(data.partition(b"\r\n\r\n")[2]) == 12_345
        if kind == "reset-mid":
            with pytest.raises(ConnectionResetError):
                read_on(connection)
        elif kind == "close-mid":
            assert read_on(connection) == b""
        else:
            assert select.select([connection], [], [], 0.2)[0] == []
    [entry] = client.control("GET", f"served?prefix={picture['path']}")
    assert (entry["status"], entry["sent"]) == (200, 12_345)


def test_a_stall_ends_when_its_client_leaves(client, picture):
    client.fault(picture["id"], "stall")
    with client.raw(picture["path"]):
        assert eventually(lambda: client.control("GET", "connections")["in_flight"] == 1)
    assert eventually(lambda: client.control("GET", "connections")["in_flight"] == 0)
    assert client.control("GET", "served")[0]["status"] == 0


def test_a_slow_answer_comes_bit_by_bit(client, picture):
    client.fault(picture["id"], "slow", rate=100_000)
    began = time.monotonic()
    assert len(client.get(picture["path"]).content) == 50_000
    assert time.monotonic() - began >= 50_000 / 100_000


# Scripted answers


def read_all(connection: socket.socket) -> tuple[list[str], bytes]:
    """The lines of all heads, and the body, of an answer that ends with its connection."""
    with connection, connection.makefile("rb") as file:
        answer = file.read()
    *heads, body = answer.split(b"\r\n\r\n", answer.count(b"HTTP/1.1 "))
    return [line for head in heads for line in head.decode().split("\r\n")], body


def test_a_scripted_answer_is_whatever_is_told(client, picture):
    client.fault(
        picture["id"], "scripted", body="{}", etag="md5", headers={"Content-Type": "text/x"}
    )
    answer = client.get(picture["path"])
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["ETag"] == f'"{md5(b"{}").hexdigest()}"'
    assert answer.headers["Content-Type"] == "text/x"
    assert client.get(picture["path"], If_None_Match=answer.headers["ETag"]).status_code == 304
    entries = client.control("GET", "served")
    assert [(entry["status"], entry["sent"]) for entry in entries] == [(200, 2), (304, 0)]


def test_a_scripted_body_may_be_bytes_or_the_image_itself(client, picture):
    own = client.get(picture["path"])
    client.fault(picture["id"], "scripted", body="picture", etag="md5")
    again = client.get(picture["path"])
    assert (again.content, again.headers["ETag"]) == (own.content, own.headers["ETag"])
    client.fault(picture["id"], "scripted", body={"base64": "/wCA"}, headers={"Content-Type": None})
    answer = client.get(picture["path"])
    assert answer.content == b"\xff\x00\x80"
    assert not {"ETag", "Content-Type"} & answer.headers.keys()


def test_a_scripted_body_has_ranges(client, picture):
    client.fault(picture["id"], "scripted", body="0123456789", etag="md5")
    answer = client.get(picture["path"], Range="bytes=2-5")
    assert (answer.status_code, answer.content) == (206, b"2345")
    assert answer.headers["Content-Range"] == "bytes 2-5/10"
    assert client.get(picture["path"], Range="bytes=10-20").status_code == 416


@pytest.mark.parametrize("status", [202, 204, 451])
def test_a_scripted_status_is_of_whatever_is_asked_for(client, picture, status):
    client.fault(picture["id"], "scripted", status=status, etag="md5")
    for headers in ({}, {"Range": "bytes=0-9"}):
        answer = client.get(picture["path"], **headers)
        assert (answer.status_code, answer.content) == (status, b"")
        assert ("Content-Length" in answer.headers) == (status != 204)


@pytest.mark.parametrize("before", [[103], [103, 103], [102, 103]])
def test_informational_answers_come_first(client, picture, before):
    client.fault(picture["id"], "scripted", body="x", before_status=before)
    lines, body = read_all(client.raw(picture["path"]))
    statuses = [int(line.split()[1]) for line in lines if line.startswith("HTTP/1.1 ")]
    assert (statuses, body) == ([*before, 200], b"x")


def test_headers_may_be_sent_twice_and_be_long(client, picture):
    headers = {"Content-Length": ["{length}", "{length}", "7"], "X-Long": "x" * 32_000}
    client.fault(picture["id"], "scripted", body="abc", headers=headers)
    lines, body = read_all(client.raw(picture["path"]))
    assert [line for line in lines if line.startswith("Content-Length")] == [
        "Content-Length: 3", "Content-Length: 3", "Content-Length: 7"
    ]  # fmt: skip
    assert "X-Long: " + "x" * 32_000 in lines
    assert body == b"abc"


def test_chunks_may_have_a_length_as_well(client, picture):
    client.fault(picture["id"], "scripted", body="abc", chunked=True)
    lines, body = read_all(client.raw(picture["path"]))
    assert {"Content-Length: 3", "Transfer-Encoding: chunked"} <= set(lines)
    assert body == b"3\r\nabc\r\n0\r\n\r\n"
    client.fault(
        picture["id"], "scripted", body="abc", chunked=True, headers={"Content-Length": None}
    )
    assert client.get(picture["path"]).content == b"abc"


def test_one_body_may_stand_for_every_link(client):
    made = client.control("PUT", "albums/Testing", {"bytes": [3000, 4000]})
    client.fault("*", "scripted", body="blocked", etag="md5")
    answers = [client.get(f"/{image['name']}") for image in made]
    assert {answer.content for answer in answers} == {b"blocked"}
    assert len({answer.headers["ETag"] for answer in answers}) == 1


def test_what_was_asked_for_is_recorded_as_it_was_escaped(client, picture):
    target = f"/{picture['id']}%40%7Ex.jpg?%7E"
    _, body = read_all(client.raw(target, "Connection: close\r\n"))
    assert len(body) == 50_000
    [entry] = client.control("GET", "served")
    assert (entry["id"], entry["target"]) == (picture["id"], target)
    assert entry["path"] == f"/{picture['id']}@~x.jpg"


# The control channel


def test_an_album_grows_and_goes(client):
    made = client.control(
        "PUT", "albums/Testing",
        {"bytes": [3000, 4000, 5000], "kinds": ["png", "gif"], "title": "Three"},
    )  # fmt: skip
    assert [(i["kind"], i["bytes"]) for i in made] == [("png", 3000), ("gif", 4000), ("png", 5000)]
    grown = client.control("PUT", "albums/Testing", {"add": 2, "bytes": 6000})
    assert grown[:3] == made
    assert len(grown) == 5
    album = client.api("album/Testing").json()["data"]
    assert album["title"] == "Three"
    assert [image["size"] for image in album["images"]] == [3000, 4000, 5000, 6000, 6000]
    for image in client.control("GET", "albums/Testing"):
        assert md5(client.get(f"/{image['name']}").content).hexdigest() == image["md5"]
    client.control("DELETE", "albums/Testing")
    assert client.api("album/Testing").status_code == 404
    assert client.get(f"/{made[0]['name']}").status_code == 302


def test_images_are_listed_just_as_given(client):
    hostile = [{"id": "../../x", "link": "file:///etc/passwd"}, None, 7]
    client.control("PUT", "albums/Testing", {"count": 0, "images": hostile})
    assert client.api("album/Testing").json()["data"]["images"] == hostile


def test_an_album_may_be_listed_oddly(client):
    client.control("PUT", "albums/Testing", {"count": 2, "listed": {"images_count": 10}})
    album = client.api("album/Testing").json()["data"]
    assert (album["images_count"], len(album["images"])) == (10, 2)


def test_what_was_served_is_recorded(client, picture):
    client.get(picture["path"], User_Agent="tester/1", **AUTHORIZED)
    client.get(picture["path"], Range="bytes=10-19")
    client.get("/Unknown.jpg")
    entries = client.control("GET", f"served?prefix={picture['path']}")
    assert [(e["id"], e["status"], e["sent"], e["range"]) for e in entries] == [
        (picture["id"], 200, 50_000, None),
        (picture["id"], 206, 10, "bytes=10-19"),
    ]
    assert [e["had_authorization"] for e in entries] == [True, False]
    assert entries[0]["user_agent"] == "tester/1"
    assert entries[0]["connection"] == entries[1]["connection"]
    assert len(client.control("GET", "served")) == 3
    assert client.control("GET", "counts") == {picture["id"]: 2}
    client.control("DELETE", "served")
    assert client.control("GET", "served") == []


def test_simultaneous_connections_are_counted(client, picture):
    assert eventually(lambda: client.control("GET", "connections")["open"] == 0)
    client.control("DELETE", "connections")
    client.fault(picture["id"], "stall")
    connections = [client.raw(picture["path"]) for _ in range(5)]
    expected = {"open": 5, "peak": 5, "in_flight": 5, "in_flight_peak": 5}
    assert eventually(lambda: client.control("GET", "connections") == expected)
    for connection in connections:
        connection.close()
    expected |= {"open": 0, "in_flight": 0}
    assert eventually(lambda: client.control("GET", "connections") == expected)


def test_an_album_of_ten_thousand_is_listed(client):
    client.control("PUT", "albums/Testing", {"count": 10_000, "bytes": 100_000})
    images = client.api("album/Testing").json()["data"]["images"]
    assert len({image["id"] for image in images}) == 10_000


# The network


def test_the_article_is_reproduced():
    article = PROFILES["article"]
    times = [seconds(article, size) for size in article.sizes]
    assert len(times) == 40
    assert times.index(max(times)) == 33
    assert min(article.sizes) >= 20_000
    told = {
        sum(times): 48,
        times[33]: 13,
        fifo(times, 1): 48,
        fifo(times, 5): 19,
        pool_map(times, 8): 15,
        fifo(times, 40): 13,
    }
    for predicted, published in told.items():
        assert predicted == pytest.approx(published, rel=0.03)


def test_the_time_scale_scales_every_time():
    article = PROFILES["article"]
    for size in (0, 1_000, 5_000_000):
        assert seconds(article.scaled(0.1), size) == pytest.approx(seconds(article, size) / 10)


def fetch(url: str) -> int:
    """The size of what is there, over a new connection."""
    return len(requests.get(url, timeout=LONG).content)


def test_the_server_keeps_to_its_profile():
    scale = 0.02
    article = PROFILES["article"].scaled(scale)
    times = [seconds(article, size) for size in article.sizes]
    with running("article", "--time-scale", str(scale)) as address:
        client = Client(address)
        images = client.api("album/PdA9Amq").json()["data"]["images"]
        urls = [image["link"] for image in images]

        def measured(workers: int) -> tuple[float, int]:
            """The seconds that it takes, and the requests under way at once."""
            client.control("DELETE", "connections")
            began = time.monotonic()
            with ThreadPoolExecutor(workers) as pool:
                assert list(pool.map(fetch, urls)) == list(article.sizes)
            seconds_taken = time.monotonic() - began
            return seconds_taken, client.control("GET", "connections")["in_flight_peak"]

        one, alone = measured(1)
        five, at_once = measured(5)
    assert one >= fifo(times, 1)
    assert five >= max(times)
    # A busy machine may take any time longer; that they go side by side is certain.
    assert alone == 1 < at_once <= 5


def test_the_link_is_shared_fairly():
    rate, size = 500_000, 200_000
    with running("fast", "--link-rate", str(rate)) as address:
        client = Client(address)
        made = client.control("PUT", "albums/Testing", {"count": 4, "bytes": size})
        urls = [f"{address}/{image['name']}" for image in made]
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            ended = list(pool.map(lambda url: (fetch(url), time.monotonic())[1], urls))
    assert max(ended) - began >= 4 * size / rate
    # None has its body while another has nothing yet: they end close together.
    assert min(ended) - began > (max(ended) - began) / 2


def test_setting_up_a_connection_takes_its_time_once():
    with running("fast", "--connect", "0.3") as address:
        client = Client(address)
        marks = [time.monotonic()]
        for _ in range(3):
            client.get("/GaLimg1.png")
            marks.append(time.monotonic())
    first, *others = (end - start for start, end in pairwise(marks))
    assert first >= 0.3
    assert min(others) < first


def test_a_profile_may_be_a_file(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text("first_byte = 0.5\nconnection_rate = 1000.0\nsizes = [2000, 3000]\n")
    read = profile(str(file))
    assert (read.first_byte, read.connection_rate, read.sizes) == (0.5, 1000.0, (2000, 3000))


# The process


def started(*flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "standin", "--port", "0", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_at_once_with_open_connections(number):
    with started() as child:
        address = child.stdout.readline().removeprefix(READY).strip()
        client = Client(address)
        client.fault("*", "stall")
        with client.raw("/GaLimg1.png"), client.raw("/"):
            assert eventually(lambda: client.control("GET", "connections")["in_flight"] == 1)
            child.send_signal(number)
            assert child.wait(LONG) == 0
            # Not communicate(), which does not know what readline() read ahead.
            said, complaint = child.stdout.read(), child.stderr.read()
    assert complaint == ""
    host = urlsplit(address).netloc
    assert f"IMGUR_API_URL={address}/" in said
    assert f"IMGUR_IMAGE_HOSTS='{json.dumps([host])}'" in said
    assert "IMGUR_CLIENT_ID=standin" in said


def test_it_cannot_start(address, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("speed = 1\n")
    port = str(urlsplit(address).port)
    for flags, says in (
        (["--port", port], f"cannot listen on 127.0.0.1:{port}"),
        (["--profile", "slowest"], "no profile 'slowest'"),
        (["--profile", str(wrong)], "speed"),
    ):
        with started(*flags) as child:
            said, complaint = child.communicate(timeout=LONG)
        assert (child.returncode, said) == (2, "")
        assert says in complaint
        assert complaint.count("\n") == 1
