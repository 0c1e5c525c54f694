"""Whatever the API answers becomes an album or one of eight errors, over a real socket."""

import gzip
import json
import pickle
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from imgur_mirror.api import (
    Address,
    AlbumNotFound,
    ApiError,
    ApiUnavailable,
    BadAddress,
    BadCredentials,
    Blocked,
    Credits,
    OverCapacity,
    Private,
    RateLimited,
    UnexpectedResponse,
    parse_address,
)
from imgur_mirror.api.client import Imgur, fetch_album, fetch_collection
from imgur_mirror.api.responses import Response
from imgur_mirror.models import Album
from imgur_mirror.settings import Access

CLIENT_ID = "5eCr3tId0123456"
CLIENT_SECRET = "an0ther-s3cret-of-forty-letters-and-more"
ALBUM = Address("album", "PdA9Amq")


class Handler(BaseHTTPRequestHandler):
    """Answers a path with what the test put there: (status, headers, body) or a function."""

    protocol_version = "HTTP/1.1"
    # Without it, every answer after the first waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        answer = self.server.answers.get(self.path, self.server.answers.get("*"))
        if callable(answer):
            self.close_connection = True
            answer(self)
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {}
        self.seen = []
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def answer(self, content, status=200, path="*", headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers[path] = (status, {"Content-Type": "application/json", **(headers or {})}, body)

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""

    @property
    def paths(self):
        return [path for path, _ in self.seen]


@contextmanager
def serving():
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


def access_to(url, **more):
    given_ = {"client_id": SecretStr(CLIENT_ID), "client_secret": SecretStr(CLIENT_SECRET)}
    limits = {"connect_timeout": 60, "read_timeout": 60}
    return Access(**{"api_url": url, **limits, **given_, **more})


def envelope(data, status=200):
    return {"data": data, "success": status == 200, "status": status}


def refusal(error, status):
    return envelope({"error": error, "request": "/3/album/PdA9Amq", "method": "GET"}, status)


def picture(number, **more):
    id_ = f"img{number:04}"
    listed = {
        "id": id_,
        "title": None,
        "description": "words",
        "datetime": 1_400_000_000 + number,
        "type": "image/jpeg",
        "animated": False,
        "width": 640,
        "height": 480,
        "size": 1000 + number,
        "tags": [],
        "link": f"https://i.imgur.com/{id_}.jpg",
    }
    return {**listed, **more}


def listing(images, **more):
    album = {"id": "PdA9Amq", "title": "A walk", "description": None, "datetime": 1_400_000_000}
    rest = {"account_url": "mirrorfan", "link": "https://imgur.com/a/PdA9Amq", "is_album": True}
    return {**album, **rest, "images_count": len(images or []), "images": images, **more}


def one_image(api, **more):
    """The image that comes of a picture listed like this."""
    api.answer(envelope(listing([picture(1, **more)])))
    (image,) = fetch_album(ALBUM, access_to(api.url)).images
    return image


def error_of(api, **more):
    with pytest.raises(ApiError) as caught:
        Imgur(access_to(api.url, **more)).album_at(ALBUM)
    return caught.value


def test_an_album_is_read_with_one_honest_request(api):
    api.answer(envelope(listing([picture(1), picture(2, title="Two")])))
    album = fetch_album(ALBUM, access_to(api.url))
    assert (album.id, album.title, album.account) == ("PdA9Amq", "A walk", "mirrorfan")
    assert [(i.name, i.size, i.title) for i in album.images] == [
        ("img0001.jpg", 1001, None),
        ("img0002.jpg", 1002, "Two"),
    ]
    ((path, headers),) = api.seen
    assert path == "/3/album/PdA9Amq"
    assert headers["Authorization"] == f"Client-ID {CLIENT_ID}"
    assert headers["User-Agent"].startswith("imgur-mirror/")
    assert headers["Accept"] == "application/json"


def test_connections_are_kept_between_albums(api):
    ports = []
    body = json.dumps(envelope(listing([picture(1)]))).encode()
    api.answer(body)
    handle = api.process_request
    api.process_request = lambda request, client: (ports.append(client), handle(request, client))
    for _ in range(3):
        fetch_album(ALBUM, access_to(api.url))
    assert len(api.seen) == 3
    assert len(ports) == 1


def test_a_proxy_of_the_environment_is_used(api, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", api.url)
    api.answer(envelope(listing([picture(1)])))
    assert fetch_album(ALBUM, access_to("http://imgur.example/")).id == "PdA9Amq"
    assert api.paths == ["http://imgur.example/3/album/PdA9Amq"]


def test_the_certificates_of_the_environment_are_used(api, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    client = Imgur(access_to(api.url.replace("http", "https")))
    with pytest.raises(ApiUnavailable, match=r"TLS CA certificate bundle.*missing\.pem"):
        client.album_at(ALBUM)


def test_a_netrc_does_not_replace_the_client_id(api, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.answer(envelope(listing([])))
    Imgur(access_to(api.url)).album_at(ALBUM)
    assert api.seen[0][1]["Authorization"] == f"Client-ID {CLIENT_ID}"


PAGE = b"<!DOCTYPE html><html><title>Imgur</title>Imgur is over capacity!</html>"
ELSEWHERE = b"<!doctype html><html>Not available in your region</html>"
NEW_429 = {
    "errors": [
        {
            "id": "legacy-api-1",
            "code": "429",
            "status": "Too Many Requests",
            "detail": "Too Many Requests",
        }
    ]
}
NESTED = {"code": 429, "message": "Slow down", "type": "ImgurException", "exception": []}
CAPACITY = "Imgur is temporarily over capacity. Please try again later."

TABLE = [
    (404, refusal("Unable to find an album with the id, PdA9Amq", 404), AlbumNotFound),
    (403, refusal("Invalid client_id", 403), BadCredentials),
    (401, refusal("Authentication required", 401), BadCredentials),
    (403, envelope({"error": CAPACITY}, 403), OverCapacity),
    (429, refusal("Too many", 400), RateLimited),
    (429, refusal("Too many", 429), RateLimited),
    (429, refusal("Too many", 500), RateLimited),
    (429, NEW_429, RateLimited),
    (200, NEW_429, RateLimited),
    (400, refusal(NESTED, 400), RateLimited),
    (429, refusal(NESTED, 429), RateLimited),
    (200, envelope({}), UnexpectedResponse),
    (200, envelope(data=False), UnexpectedResponse),
    (200, envelope(None), UnexpectedResponse),
    (200, envelope("words"), UnexpectedResponse),
    (200, envelope({"error": "words"}), UnexpectedResponse),
    (200, refusal("Unable to find an album", 404), AlbumNotFound),
    (200, envelope({"error": CAPACITY}), OverCapacity),
    (200, {"success": False, "status": 500}, ApiUnavailable),
    (429, PAGE, RateLimited),
    (403, refusal("You don't have permission to view this album.", 403), Private),
    (403, refusal({"code": 403, "message": "This album is hidden"}, 403), Private),
    (403, ELSEWHERE, Blocked),
    (451, ELSEWHERE, Blocked),
    (451, refusal("Unavailable", 451), Blocked),
    (451, b"", Blocked),
    *((status, PAGE, ApiUnavailable) for status in (200, 400, 403, 500, 502, 503)),
    (500, refusal("oops", 500), ApiUnavailable),
    (502, b"", ApiUnavailable),
    (504, b"gateway", ApiUnavailable),
    (403, b"", UnexpectedResponse),
    (400, refusal("bad", 400), UnexpectedResponse),
    (418, b"teapot", UnexpectedResponse),
    (200, b"", ApiUnavailable),
    (200, b"\xff\xfe\x00{", UnexpectedResponse),
    (200, b'{"data": {"id": "PdA9', UnexpectedResponse),
    (200, b"[" * 100_000, UnexpectedResponse),
    (200, b'{"data":' + b'{"a":' * 100_000, UnexpectedResponse),
    (200, [], UnexpectedResponse),
    (200, 7, UnexpectedResponse),
    (200, {"data": [], "success": True}, UnexpectedResponse),
    (200, {"data": {"id": 5}}, UnexpectedResponse),
    (200, {"errors": []}, UnexpectedResponse),
    (200, {"errors": ["words"]}, UnexpectedResponse),
    (200, envelope({"error": {"deep": [{}]}}), UnexpectedResponse),
]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}])
@pytest.mark.parametrize(("status", "body", "kind"), TABLE)
def test_each_answer_is_its_error(api, status, body, kind, headers):
    page = {"Content-Type": "text/html"} if body in (PAGE, ELSEWHERE) else {}
    api.answer(body, status, headers={**headers, **page})
    error = error_of(api)
    assert type(error) is kind
    assert error.status == status
    assert "PdA9Amq" in str(error)
    assert "; " in str(error)
    if kind is RateLimited:
        assert error.retryable == bool(headers)
    else:
        assert error.retryable == (kind in (OverCapacity, ApiUnavailable))


@pytest.mark.parametrize("images", ["text", {}, [1, 2], [None], [[]]])
def test_an_album_whose_images_are_none_is_unexpected(api, images):
    api.answer(envelope(listing(images)))
    assert type(error_of(api)) is UnexpectedResponse


def test_a_page_is_known_by_how_it_starts(api):
    api.answer(b"  " + PAGE, 200)
    assert type(error_of(api)) is ApiUnavailable


def test_a_message_quotes_the_server_on_one_short_line(api):
    api.answer(refusal("no\x1b[31m\nsuch\x00 album " + "x" * 100_000, 404), 404)
    message = str(error_of(api))
    assert "no [31m such album" in message
    assert message.isprintable()
    assert len(message) < 500


@pytest.mark.parametrize(
    "more",
    [{"client_id": None}, {"client_id": SecretStr(" ")}, {"client_id": SecretStr("a\nHost: b")}],
)
def test_without_a_client_id_nothing_is_asked(api, more):
    error = error_of(api, **more)
    assert type(error) is BadCredentials
    assert "IMGUR_CLIENT_ID" in str(error)
    assert api.seen == []


def test_a_redirect_is_not_followed(api):
    with serving() as other:
        api.answer(b"", 302, headers={"Location": f"{other.url}3/album/PdA9Amq"})
        assert type(error_of(api)) is UnexpectedResponse
        assert other.seen == []
    assert len(api.seen) == 1


def head(handler, *lines):
    handler.wfile.write("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode())


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang_up(handler):
    handler.wfile.write(b"HTTP/1.")


def speak_nonsense(handler):
    handler.wfile.write(b"220 smtp.example ready\r\n\r\n")


def stop_short(handler):
    head(handler, "Content-Length: 1000")
    handler.wfile.write(b'{"data"')


def break_a_chunk(handler):
    head(handler, "Transfer-Encoding: chunked")
    handler.wfile.write(b"zz\r\n{}")


def garble(handler):
    head(handler, "Content-Encoding: gzip", "Content-Length: 4")
    handler.wfile.write(b"nope")


def say_nothing(handler):
    handler.rfile.read(1)


def trickle(handler):
    head(handler, "Content-Length: 100000")
    for _ in range(2000):
        handler.wfile.write(b" ")
        time.sleep(0.01)


@pytest.mark.parametrize(
    "fault",
    [reset, hang_up, speak_nonsense, stop_short, break_a_chunk, garble, say_nothing, trickle],
)
def test_a_broken_connection_is_unavailable(api, fault):
    api.answers["*"] = fault
    error = error_of(api, read_timeout=0.1)
    assert type(error) is ApiUnavailable
    assert error.retryable
    assert error.status is None
    assert "PdA9Amq" in str(error)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/", "https://127.0.0.1:{port}/"]
)
def test_an_unreachable_api_is_unavailable(api, url):
    with pytest.raises(ApiUnavailable):
        Imgur(access_to(url.format(port=api.server_port))).album_at(ALBUM)


def flood(handler):
    head(handler, "Content-Type: application/json")
    while True:
        handler.wfile.write(b" " * (1 << 20))


def bomb(handler):
    packed = gzip.compress(b" " * (80 << 20), 1)
    head(handler, "Content-Encoding: gzip", f"Content-Length: {len(packed)}")
    handler.wfile.write(packed)


def endless_redirect(handler):
    handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")
    while True:
        handler.wfile.write(b" " * (1 << 20))


@pytest.mark.parametrize("fault", [flood, bomb, endless_redirect])
def test_a_body_without_end_is_cut_off(api, fault):
    api.answers["*"] = fault
    assert type(error_of(api)) is UnexpectedResponse


@pytest.mark.parametrize(("size", "fits"), [(31 << 20, True), (33 << 20, False)])
def test_an_answer_has_its_bound(api, size, fits):
    api.answer(json.dumps(envelope(listing([picture(1)]))).encode().ljust(size))
    if fits:
        assert len(Imgur(access_to(api.url)).album_at(ALBUM).images) == 1
    else:
        error = error_of(api)
        assert type(error) is UnexpectedResponse
        assert "over 32 MiB" in str(error)


def test_no_secret_is_in_an_error(api):
    echo = f"no {CLIENT_ID} and {CLIENT_SECRET} in " + "x" * 150 + f" {CLIENT_ID}"
    answers = [
        (refusal(echo, 404), 404, {}),
        (refusal(echo, 429), 429, {}),
        (envelope(echo), 200, {}),
        (b"", 302, {"Location": f"/?id={CLIENT_ID}&secret={CLIENT_SECRET}"}),
        (envelope({"error": {"message": echo}}, 403), 403, {}),
    ]
    for body, status, headers in answers:
        api.answer(body, status, headers=headers)
        error = error_of(api)
        shown = [str(error), repr(error), repr(vars(error))]
        chain = [repr(error.__cause__), repr(error.__context__)]
        everything = " ".join(shown + chain).encode() + pickle.dumps(error)
        assert CLIENT_ID[:8].encode() not in everything
        assert CLIENT_SECRET[:8].encode() not in everything
    client = Imgur(access_to(api.url))
    assert CLIENT_ID not in repr(client) + repr(vars(client))


def test_a_lost_connection_carries_no_request_along(api):
    api.answers["*"] = reset
    error = error_of(api)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_errors_cross_processes_whole():
    for kind in (AlbumNotFound, BadCredentials, OverCapacity, ApiUnavailable, UnexpectedResponse):
        copy = pickle.loads(pickle.dumps(kind("words", status=404)))
        assert (type(copy), str(copy), copy.status) == (kind, "words", 404)
    limited = pickle.loads(pickle.dumps(RateLimited("words", status=429, wait=7)))
    assert (limited.wait, limited.status, limited.retryable) == (7, 429, True)


def limits(user=10, client=10, reset="60"):
    return {
        "X-RateLimit-UserRemaining": str(user),
        "X-RateLimit-UserReset": reset,
        "X-RateLimit-ClientRemaining": str(client),
    }


# The tests run some time after they are collected: on a busy machine, half an hour.
AT_COLLECTION = time.time()


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 900, 900),
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0"}, 0, 0),
        ({"Retry-After": "999999999"}, 86400, 86400),
        ({"Retry-After": formatdate(AT_COLLECTION + 20_000, usegmt=True)}, 5_000, 20_000),
        ({"Retry-After": formatdate(0, usegmt=True)}, 0, 0),
        ({"Retry-After": "soon"}, 900, 900),
        ({"Retry-After": "soon", **limits(reset="1200")}, 1200, 1200),
        (limits(reset=str(int(AT_COLLECTION) + 20_000)), 5_000, 20_001),
        (limits(reset="-5"), 0, 0),
        (limits(reset="garbage"), 900, 900),
        (limits(reset="9" * 50), 900, 900),
    ],
)
def test_the_wait_is_what_the_server_says(api, headers, least, most):
    api.answer(NEW_429, 429, headers=headers)
    error = error_of(api)
    assert least <= error.wait <= most
    assert error.retryable == (error.wait <= 120)
    assert "try again in" in str(error)
    assert "UTC)" in str(error)


@pytest.mark.parametrize("spent", [limits(user=0, reset="1200"), limits(client=0)])
def test_spent_credits_are_not_overrun(api, spent):
    api.answer(envelope(listing([picture(1)])), headers=spent)
    client = Imgur(access_to(api.url))
    assert len(client.album_at(ALBUM).images) == 1
    with pytest.raises(RateLimited, match=r"no credits left.*try again in [26]0 minutes") as caught:
        client.album_at(ALBUM)
    assert not caught.value.retryable
    assert len(api.seen) == 1


def test_credits_come_back_when_their_time_has_passed(api):
    api.answer(envelope(listing([])), headers=limits(user=0, reset="0"))
    client = Imgur(access_to(api.url))
    client.album_at(ALBUM)
    api.answer(envelope(listing([])), headers={"X-RateLimit-UserRemaining": "garbage"})
    client.album_at(ALBUM)
    assert client.credits.user_remaining == 0
    assert len(api.seen) == 2


def test_a_client_that_is_kept_asks_again_once_the_reset_has_passed(api):
    api.answer(envelope(listing([])), headers=limits(user=0, reset="1"))
    fetch_album(ALBUM, access_to(api.url))
    api.answer(envelope(listing([picture(1)])), headers=limits())
    for _ in range(500):
        with suppress(RateLimited):
            assert len(fetch_album(ALBUM, access_to(api.url)).images) == 1
            break
        time.sleep(0.01)
    assert len(api.seen) == 2


def test_credits_wait_for_their_reset_alone():
    spent = Credits(user_remaining=0, user_reset_at=1000, client_remaining=5, client_reset_at=2000)
    assert [spent.wait(now) for now in (900, 1000, 5000)] == [100, 0, 0]
    # The clock was set back.
    assert spent.wait(-1_000_000) == 86400


@pytest.mark.parametrize("more", [{}, {"Retry-After": "0"}])
def test_a_refusal_names_the_time_of_the_credits_that_are_spent(api, more):
    spent = {**limits(client=0), "X-RateLimit-ClientReset": "1200", **more}
    api.answer(NEW_429, 429, headers=spent)
    error = error_of(api)
    assert 1100 < error.wait <= 1200
    assert not error.retryable
    assert "try again in 20 minutes (at " in str(error)


def test_what_is_known_of_the_credits_is_shared_by_all_albums_of_a_process(api):
    api.answer(envelope(listing([])), headers=limits(user=0, reset="1200"))
    fetch_album(ALBUM, access_to(api.url))
    with pytest.raises(RateLimited):
        fetch_album(Address("album", "aB3dE"), access_to(api.url))
    assert api.paths == ["/3/album/PdA9Amq"]


@given(st.dictionaries(st.sampled_from(["Retry-After", *limits()]), st.text(max_size=30)))
def test_no_header_is_too_odd(headers):
    credits_ = Credits.read(headers, time.time())
    assert credits_ is None or 0 <= credits_.wait(time.time()) <= 86400
    answer = Response(429, headers, b"")
    with pytest.raises(RateLimited) as caught:
        Recorded(answer).album_at(ALBUM)
    assert 0 <= caught.value.wait <= 86400


def test_images_that_are_missing_are_asked_for_once_more(api):
    api.answer(envelope(listing([picture(1)], images_count=3)), path="/3/album/PdA9Amq")
    images = [picture(n) for n in (1, 2, 3)]
    api.answer(envelope(images), path="/3/album/PdA9Amq/images")
    assert len(fetch_album(ALBUM, access_to(api.url)).images) == 3
    assert api.paths == ["/3/album/PdA9Amq", "/3/album/PdA9Amq/images"]


@pytest.mark.parametrize("again", [1, 2])
def test_the_longer_list_counts_when_both_are_too_short(api, again):
    api.answer(envelope(listing([picture(1)], images_count=3)), path="/3/album/PdA9Amq")
    images = [picture(n) for n in range(again)]
    api.answer(envelope(images), path="/3/album/PdA9Amq/images")
    assert len(fetch_album(ALBUM, access_to(api.url)).images) == again
    assert len(api.seen) == 2


@pytest.mark.parametrize("data", [[1], {"0": picture(1)}, "words", None, [None]])
def test_a_list_of_images_is_one_or_an_error(api, data):
    api.answer(envelope(listing(None, images_count=3)), path="/3/album/PdA9Amq")
    api.answer(envelope(data), path="/3/album/PdA9Amq/images")
    assert type(error_of(api)) is UnexpectedResponse


def test_an_empty_album_is_empty(api):
    api.answer(envelope(listing(None)))
    assert fetch_album(ALBUM, access_to(api.url)).images == ()
    assert len(api.seen) == 1


def test_an_album_of_thousands_is_read_whole(api):
    api.answer(envelope(listing([picture(n) for n in range(3500)])))
    assert len(fetch_album(ALBUM, access_to(api.url)).images) == 3500


def test_a_single_image_is_an_album_of_one(api):
    api.answer(envelope(picture(1)), path="/3/image/img0001")
    album = fetch_album(parse_address("https://i.imgur.com/img0001.jpg"), access_to(api.url))
    assert album.id == "img0001"
    assert [image.name for image in album.images] == ["img0001.jpg"]


@pytest.mark.parametrize("page", ["imgur.com/PdA9Amq", "https://m.imgur.com/some-title-PdA9Amq"])
def test_a_page_that_is_no_image_may_be_an_album(api, page):
    api.answer(refusal("Unable to find an image", 404), 404)
    api.answer(envelope(listing([picture(1), picture(2)])), path="/3/album/PdA9Amq")
    assert len(fetch_album(parse_address(page), access_to(api.url)).images) == 2
    assert api.paths == ["/3/image/PdA9Amq", "/3/album/PdA9Amq"]


@pytest.mark.parametrize("file", ["i.imgur.com/PdA9Amq.jpg", "imgur.com/download/PdA9Amq"])
def test_a_file_that_is_no_image_is_no_album_of_that_id(api, file):
    api.answer(refusal("Unable to find an image", 404), 404)
    with pytest.raises(AlbumNotFound):
        fetch_album(parse_address(file), access_to(api.url))
    assert api.paths == ["/3/image/PdA9Amq"]


GALLERY = ["gallery/album", "gallery/image", "album", "image"]


@pytest.mark.parametrize("place", range(4))
def test_a_gallery_address_is_tried_until_it_is_found(api, place):
    api.answer(refusal("Unable to find", 404), 404)
    found = listing([picture(1)]) if "album" in GALLERY[place] else picture(1)
    api.answer(envelope(found), path=f"/3/{GALLERY[place]}/PdA9Amq")
    album = fetch_album(Address("gallery", "PdA9Amq"), access_to(api.url))
    assert (album.id, len(album.images)) == ("PdA9Amq", 1)
    assert api.paths == [f"/3/{kind}/PdA9Amq" for kind in GALLERY[: place + 1]]


def test_a_gallery_address_that_is_nowhere_is_not_found(api):
    api.answer(refusal("Unable to find", 404), 404)
    with pytest.raises(AlbumNotFound):
        fetch_album(Address("gallery", "PdA9Amq"), access_to(api.url))
    assert len(api.seen) == 4


def test_only_not_found_makes_a_gallery_address_go_on(api):
    api.answer(envelope({"error": CAPACITY}, 403), 403)
    with pytest.raises(OverCapacity):
        fetch_album(Address("gallery", "PdA9Amq"), access_to(api.url))
    assert len(api.seen) == 1


def albums(start, stop):
    return envelope([{"id": f"alb{n:04}", "title": None} for n in range(start, stop)])


def fetch_account_albums(address, access):
    return list(fetch_collection(address, access).albums)


def test_an_account_is_read_page_by_page(api):
    for page, (start, stop) in enumerate([(0, 50), (50, 100), (100, 120), (0, 0)]):
        api.answer(albums(start, stop), path=f"/3/account/collector/albums/{page}")
    ids = fetch_account_albums(parse_address("imgur.com/user/collector"), access_to(api.url))
    assert ids == [f"alb{n:04}" for n in range(120)]


@pytest.mark.parametrize(("page", "count", "requests"), [((0, 50), 50, 2), ((0, 0), 0, 1)])
def test_an_account_ends(api, page, count, requests):
    api.answer(albums(*page))
    assert len(fetch_account_albums(Address("account", "fan"), access_to(api.url))) == count
    assert len(api.seen) == requests


@pytest.mark.parametrize("repeat", [0, 1, 3])
def test_pages_that_are_not_full_are_read_and_repeats_count_once(api, repeat):
    pages = [albums(0, 49), albums(49 - repeat, 99), albums(99, 102), albums(99, 102)]
    for page, listed in enumerate(pages):
        api.answer(listed, path=f"/3/account/fan/albums/{page}")
    ids = fetch_account_albums(Address("account", "fan"), access_to(api.url))
    assert ids == [f"alb{n:04}" for n in range(102)]
    assert len(api.seen) == 4


def test_a_list_of_albums_without_end_is_an_error(api, monkeypatch):
    monkeypatch.setattr("imgur_mirror.api.client._MAX_PAGES", 3)
    for page in range(4):
        api.answer(albums(page, page + 1), path=f"/3/account/fan/albums/{page}")
    with pytest.raises(UnexpectedResponse, match="more than 3 pages"):
        fetch_account_albums(Address("account", "fan"), access_to(api.url))


@pytest.mark.parametrize("odd", [None, 7, [], {}, {"id": 5}, {"id": "abcdef"}, {"id": "../x"}])
def test_an_entry_of_an_account_that_is_no_album_costs_itself(api, odd):
    api.answer(envelope([{"id": "alb0001"}, odd]), path="/3/account/fan/albums/0")
    api.answer(envelope([{"id": "alb0002"}, odd]), path="/3/account/fan/albums/1")
    api.answer(envelope([]), path="/3/account/fan/albums/2")
    first, error, *rest = fetch_account_albums(Address("account", "fan"), access_to(api.url))
    assert [first, *rest] == ["alb0001", "alb0002"]
    assert isinstance(error, BadAddress)
    assert str(error).startswith("entry 2 in its list has ")


@pytest.mark.parametrize("data", [[{"id": 5}], [{}], [{"id": "../x"}], [7], {}, "words", None])
def test_an_account_of_nonsense_is_unexpected(api, data):
    api.answer(envelope(data))
    with pytest.raises(UnexpectedResponse, match="fan"):
        fetch_account_albums(Address("account", "fan"), access_to(api.url))


def test_other_endpoints_of_the_package_work(api):
    client = Imgur(access_to(api.url))
    api.answer(envelope(120))
    assert client.get_account_album_count("fan") == 120
    api.answer(envelope(["alb0001"]))
    assert client.get_account_album_ids("fan") == ["alb0001"]
    api.answer(envelope({"UserRemaining": 499}))
    assert client.get_credits() == {"UserRemaining": 499}
    api.answer(envelope(data=False))
    with pytest.raises(UnexpectedResponse, match="credits"):
        client.get_credits()


def post(number, *, images=None, count=None):
    """An album with so many images in its post, or an image."""
    if images is None:
        return {**picture(number), "is_album": False}
    shown = [picture(100 * number + each) for each in range(images)]
    counted = images if count is None else count
    return {"id": f"alb{number:04}", "is_album": True, "images_count": counted, "images": shown}


PAGES = [
    ("user/fan/posts", "account/fan/submissions/{}"),
    ("user/fan/submitted/best", "account/fan/submissions/{}/best"),
    ("user/fan/favorites", "account/fan/gallery_favorites/{}"),
    ("user/fan/favorites/oldest", "account/fan/gallery_favorites/{}/oldest"),
    ("user/fan/favorites/folder/12/x", "account/fan/folders/12/favorites/{}"),
    ("t/cats", "gallery/t/cats/time/{}"),
    ("t/a%20b", "gallery/t/a%20b/time/{}"),
    ("t/cats/viral", "gallery/t/cats/viral/{}"),
    ("t/cats/top/month", "gallery/t/cats/top/month/{}"),
    ("r/aww", "gallery/r/aww/time/{}"),
    ("r/aww/top/day", "gallery/r/aww/top/day/{}"),
    ("search?q=a%2Fb+c", "gallery/search/time/all/{}?q=a%2Fb+c"),
    ("search/score/week?q=cats", "gallery/search/score/week/{}?q=cats"),
]


@pytest.mark.parametrize(("path", "route"), PAGES)
def test_a_collection_is_read_page_by_page_until_nothing_is_new(path, route, api):
    """Pages are not full, and the last post of one comes again on the next."""
    pages = [
        [post(1), post(2, images=2), post(3, images=3, count=9)],
        [post(3, images=3, count=9), post(4)],
        [post(4)],
    ]
    for number, entries in enumerate(pages):
        data = {"name": "x", "items": entries} if path.startswith("t/") else entries
        api.answer(envelope(data), path=f"/3/{route.format(number)}")
    found = fetch_collection(parse_address(f"imgur.com/{path}"), access_to(api.url))
    assert [image.id for image in found.images.images] == ["img0001", "img0004"]
    assert found.images.id == parse_address(f"imgur.com/{path}").name
    whole, by_id = found.albums
    # One request less: the post had all there is.
    assert (whole.id, [image.id for image in whole.images]) == ("alb0002", ["img0200", "img0201"])
    assert by_id == "alb0003"
    assert (found.posts, found.is_cut) == (4, False)
    assert api.paths == [f"/3/{route.format(number)}" for number in range(3)]


def test_no_page_is_asked_for_beyond_the_limit(api):
    api.answer(envelope([post(1), post(2)]), path="/3/gallery/r/aww/time/0")
    api.answer(envelope([post(3), post(4)]), path="/3/gallery/r/aww/time/1")
    address = parse_address("imgur.com/r/aww")
    for limit, calls in {1: 1, 2: 1, 3: 2}.items():
        api.seen.clear()
        found = fetch_collection(address, access_to(api.url), limit)
        assert len(found.images.images) == found.posts == limit
        assert found.is_cut
        assert len(api.seen) == calls


@pytest.mark.parametrize("data", [None, False, "words", {}, 7, [7], [{"id": "../x"}], {"items": 7}])
@pytest.mark.parametrize("path", ["user/fan/posts", "t/cats", "r/aww", "search?q=cats"])
def test_a_collection_of_nonsense_is_unexpected(path, data, api):
    api.answer(envelope({"name": "x", "items": data} if path == "t/cats" and data else data))
    with pytest.raises(UnexpectedResponse):
        fetch_collection(parse_address(f"imgur.com/{path}"), access_to(api.url))


@pytest.mark.parametrize("odd", [None, 7, {}, {"id": "abcdef"}, {"is_album": True}])
def test_a_post_that_makes_no_sense_costs_itself(odd, api):
    api.answer(envelope([post(1), odd]), path="/3/account/fan/submissions/0")
    api.answer(envelope([]), path="/3/account/fan/submissions/1")
    found = fetch_collection(parse_address("imgur.com/user/fan/posts"), access_to(api.url))
    assert [image.id for image in found.images.images] == ["img0001"]
    assert [str(error)[:8] for error in found.albums] == ["entry 2 "]


def test_an_image_without_a_link_is_a_failure_of_its_own(api):
    api.answer(envelope([post(1), {"id": "img0002"}]), path="/3/account/fan/submissions/0")
    api.answer(envelope([]), path="/3/account/fan/submissions/1")
    found = fetch_collection(parse_address("imgur.com/user/fan/posts"), access_to(api.url))
    assert [image.unsafe is None for image in found.images.images] == [True, False]


def public(api):
    return access_to(api.url).with_credentials(None, None)


def test_a_limit_that_is_reached_with_the_public_id_says_that_ones_own_would_help(api):
    api.answer(NEW_429, 429)
    with pytest.raises(RateLimited, match=r"an id of your own, set as IMGUR_CLIENT_ID"):
        Imgur(public(api)).album_at(ALBUM)
    with pytest.raises(RateLimited) as caught:
        Imgur(access_to(api.url)).album_at(ALBUM)
    assert "of your own" not in str(caught.value)
    spent = {"X-RateLimit-UserRemaining": "0", "X-RateLimit-UserReset": "1800"}
    api.answer(envelope(listing([])), headers=spent)
    client = Imgur(public(api))
    client.album_at(ALBUM)
    with pytest.raises(RateLimited, match="of your own"):
        client.album_at(ALBUM)


@pytest.mark.parametrize("client_id", [None, SecretStr("mine")])
def test_an_id_that_is_refused_is_never_replaced(api, client_id):
    api.answer(refusal("Invalid client_id", 403), 403)
    with pytest.raises(BadCredentials, match="set IMGUR_CLIENT_ID"):
        Imgur(access_to(api.url).with_credentials(client_id, None)).album_at(ALBUM)
    assert len(api.seen) == 1


def test_with_the_public_id_one_thing_is_asked_at_a_time(api):
    """With one's own, several threads ask at once."""

    def most_at_once(access):
        under_way, most = set(), []
        client = Imgur(access)
        asked = threading.Barrier(2)

        def answer(handler):
            under_way.add(handler)
            most.append(len(under_way))
            with suppress(threading.BrokenBarrierError):
                asked.wait(0.5 if access.is_public else 60)
            under_way.discard(handler)
            body = json.dumps(envelope(listing([]))).encode()
            # Closed: the next request could meet the connection just as the server gives it up.
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            handler.wfile.write(head % len(body) + body)

        api.answers["*"] = answer
        threads = [threading.Thread(target=client.album_at, args=(ALBUM,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(most)

    assert most_at_once(public(api)) == 1
    assert most_at_once(access_to(api.url)) == 2


def test_an_account_is_no_album_and_an_album_no_account(api):
    with pytest.raises(BadAddress, match="imgur-mirror albums"):
        fetch_album(Address("account", "fan"), access_to(api.url))
    with pytest.raises(BadAddress, match="no collection"):
        fetch_account_albums(ALBUM, access_to(api.url))
    assert api.seen == []


HOST = "https://i.imgur.com"
MP4 = f"{HOST}/img0001.mp4"


@pytest.mark.parametrize(
    ("more", "link", "name"),
    [
        ({"link": f"{HOST}/img0001.jpeg"}, f"{HOST}/img0001.jpeg", "img0001.jpeg"),
        ({"link": "//i.imgur.com/img0001.png"}, f"{HOST}/img0001.png", "img0001.png"),
        ({"link": "HTTP://I.imgur.com/img0001.png"}, f"{HOST}/img0001.png", "img0001.png"),
        ({"link": "http://127.0.0.1:9/a.png"}, "http://127.0.0.1:9/a.png", "img0001.png"),
        (
            {"link": f"{HOST}/img0001h.gif", "type": "image/gif"},
            f"{HOST}/img0001.gif",
            "img0001.gif",
        ),
        ({"link": f"{HOST}/img0001.gifv"}, f"{HOST}/img0001.mp4", "img0001.mp4"),
        ({"link": f"{HOST}/img0001.GIFV?1"}, f"{HOST}/img0001.mp4?1", "img0001.mp4"),
        ({"mp4": MP4, "type": "video/mp4"}, MP4, "img0001.mp4"),
        ({"mp4": MP4, "type": "Video/MP4; codecs=avc1"}, MP4, "img0001.mp4"),
        ({"mp4": MP4, "type": "video/mp4", "link": None}, MP4, "img0001.mp4"),
        ({"mp4": MP4, "type": "image/gif", "link": f"{HOST}/img0001.gifv"}, MP4, "img0001.mp4"),
        ({"mp4": MP4, "type": None, "link": f"{HOST}/img0001.webm"}, MP4, "img0001.mp4"),
        (
            {"type": "video/webm", "link": f"{HOST}/img0001.webm"},
            f"{HOST}/img0001.webm",
            "img0001.webm",
        ),
        ({"mp4": 7, "link": f"{HOST}/img0001.png"}, f"{HOST}/img0001.png", "img0001.png"),
    ],
)
def test_bytes_are_fetched_from_the_right_link(api, more, link, name):
    image = one_image(api, **more)
    assert (image.link, image.name, image.unsafe) == (link, name, None)
    assert image.type == ("video/mp4" if name.endswith("mp4") else more.get("type", "image/jpeg"))


GIF = {"type": "image/gif", "link": f"{HOST}/img0001.gif", "animated": True, "size": 7}


@pytest.mark.parametrize("link", ["img0001.gif", "img0001h.gif"])
@pytest.mark.parametrize("size", [0, 99, "99"])
def test_an_animated_gif_stays_the_gif_it_is(api, link, size):
    beside = {"mp4": MP4, "mp4_size": size, "gifv": f"{HOST}/img0001.gifv"}
    image = one_image(api, **{**GIF, **beside, "link": f"{HOST}/{link}"})
    assert (image.link, image.name) == (f"{HOST}/img0001.gif", "img0001.gif")
    assert (image.type, image.size, image.animated) == ("image/gif", 7, True)


VIDEO = {"type": "video/mp4", "mp4": MP4}
GIFV = {"type": "image/gif", "link": f"{HOST}/img0001.gifv", "mp4": MP4}


@pytest.mark.parametrize(
    ("more", "size"),
    [
        *(({"size": odd}, None) for odd in (0, -1, None, "7", 1.5, True, [], {}, 10**30)),
        ({"size": 7}, 7),
        ({**VIDEO, "size": 0, "mp4_size": "1234"}, 1234),
        ({**VIDEO, "size": 0, "mp4_size": 1234}, 1234),
        ({**VIDEO, "size": 7}, 7),
        ({**VIDEO, "size": 0, "mp4_size": "much"}, None),
        ({**GIFV, "size": 7}, None),
        ({**GIFV, "size": 7, "mp4_size": 9}, 9),
    ],
)
def test_a_size_is_known_or_unknown(api, more, size):
    assert one_image(api, **more).size == size


@pytest.mark.parametrize("odd", [None, 7, "words", []])
def test_an_entry_that_is_no_image_costs_itself(api, odd):
    api.answer(envelope(listing([picture(1), odd, picture(3)])), path="/3/album/PdA9Amq")
    api.answer(envelope([picture(1), odd, picture(3)]), path="/3/album/PdA9Amq/images")
    first, none, last = fetch_album(ALBUM, access_to(api.url)).images
    assert (first.name, none.id, last.name) == ("img0001.jpg", "#2", "img0003.jpg")
    assert none.unsafe == "this entry of the list is no image"


def test_an_entry_that_is_no_image_is_asked_for_once_more(api):
    api.answer(envelope(listing([picture(1), None])), path="/3/album/PdA9Amq")
    api.answer(envelope([picture(1), picture(2)]), path="/3/album/PdA9Amq/images")
    names = [image.name for image in fetch_album(ALBUM, access_to(api.url)).images]
    assert names == ["img0001.jpg", "img0002.jpg"]


@pytest.mark.parametrize(("count", "counted"), [(3, 3), (0, None), ("3", None), (None, None)])
def test_what_imgur_counts_is_kept(api, count, counted):
    api.answer(envelope(listing([picture(1)], images_count=count)), path="/3/album/PdA9Amq")
    api.answer(envelope([picture(1)]), path="/3/album/PdA9Amq/images")
    assert fetch_album(ALBUM, access_to(api.url)).counted == counted


@pytest.mark.parametrize(
    "more",
    [
        {"id": "../../etc/passwd"},
        {"id": r"\g"},
        {"id": None},
        {"id": "nul"},
        {"link": None},
        {"link": ["x"]},
        {"link": "file:///etc/passwd"},
        {"link": "https://i.imgur.com\\@evil.example/x.jpg"},
        {"link": "https://i.imgur.com/x.jpg\r\nHost: evil"},
        {"link": "https://i.imgur.com/x", "type": "text/html"},
        {"link": "https://i.imgur.com/" + "x" * 5000 + ".jpg"},
    ],
)
def test_an_unsafe_image_does_not_spoil_the_album(api, more):
    api.answer(envelope(listing([picture(1), picture(2, **more), picture(3)])))
    first, unsafe, last = fetch_album(ALBUM, access_to(api.url)).images
    assert (first.name, unsafe.name, last.name) == ("img0001.jpg", "", "img0003.jpg")
    assert unsafe.unsafe.isprintable()
    assert unsafe.id
    assert not first.unsafe


def test_images_are_listed_once_and_named_apart(api):
    images = [picture(1, id="AbCdE", link=f"{HOST}/AbCdE.jpg"), picture(2), picture(2, link=None)]
    api.answer(envelope(listing([*images, picture(3, id="aBcDe", link=f"{HOST}/aBcDe.jpg")])))
    names = [image.name for image in fetch_album(ALBUM, access_to(api.url)).images]
    assert names == ["AbCdE.jpg", "img0002.jpg", "aBcDe~a.jpg"]


def test_texts_are_texts_that_can_be_written(api):
    odd = {"title": ["x"], "description": "a\ud800\0b", "datetime": 10**15, "animated": 1}
    image = one_image(api, **odd, width=-1, height="9")
    assert (image.title, image.description, image.datetime) == (None, "a?b", None)
    assert (image.width, image.height, image.animated) == (None, None, False)
    assert len(one_image(api, title="x" * 20_000).title) == 10_000


def test_keys_of_python_s_own_are_left_out(api):
    api.answer(envelope({**listing([picture(1)]), "__class__": 1, "__dict__": 2, "\ud800": 3}))
    assert len(fetch_album(ALBUM, access_to(api.url)).images) == 1


class Recorded(Imgur):
    """A client whose every request gets the same answer, for tests by the thousand."""

    def __init__(self, answer):
        super().__init__(access_to("http://127.0.0.1:1/"))
        self.answer = answer

    def send(self, method, route, data, force_anon):
        return self.answer


KINDS = (
    AlbumNotFound,
    ApiUnavailable,
    BadCredentials,
    Blocked,
    OverCapacity,
    Private,
    RateLimited,
    UnexpectedResponse,
)


def assert_album_or_error(client, address):
    """Nothing but an album of sound images, or a typed error with a printable message."""
    try:
        album = client.album_at(address)
    except KINDS:
        return False
    assert isinstance(album, Album)
    assert all(image.unsafe or (image.name and image.link) for image in album.images)
    assert len({image.id for image in album.images}) == len(album.images)
    # Written as a manifest is, and sent as a task run is.
    str(album).encode()
    pickle.dumps(album)
    return True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*picture(1), *listing([]), "data", "error", "mp4"]), inner
        )
    ),
    max_leaves=20,
)
SHAPES = st.one_of(
    JSON,
    JSON.map(envelope),
    st.dictionaries(st.sampled_from(list(listing([]))), JSON).map(
        lambda data: envelope({**data, "id": "PdA9Amq"})
    ),
    st.lists(st.dictionaries(st.sampled_from([*picture(1), "mp4", "mp4_size"]), JSON)).map(
        lambda images: envelope(listing(images))
    ),
)


@settings(max_examples=300, deadline=None)
@given(SHAPES, st.sampled_from([200, 400, 403, 404, 429, 500]), st.sampled_from(GALLERY))
def test_any_json_is_an_album_or_a_typed_error(content, status, kind):
    answer = Response(status, {}, json.dumps(content).encode())
    address = Address("gallery" if "gallery" in kind else kind, "PdA9Amq")
    assert_album_or_error(Recorded(answer), address)


RECORDED = [
    json.dumps(content).encode()
    for content in (
        envelope(listing([picture(1), picture(2, **VIDEO, mp4_size="77", size=0), picture(3)])),
        envelope(picture(1, gifv=f"{HOST}/img0001.gifv", **VIDEO)),
        envelope(listing(None)),
        envelope([picture(1), picture(2)]),
        NEW_429,
        refusal(NESTED, 400),
        refusal("Unable to find an album with the id, PdA9Amq", 404),
    )
]
ODD = [None, True, False, 0, -1, 1e308, 10**40, "", "x", "\ud800", "../..", "//x", [], {}, [[]]]


def mutated_bytes(body, chance):
    """The body with some bytes changed, cut out, or doubled."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(data) + 1)
        stop = min(len(data), start + chance.choice([0, 1, 1, 1, 8, 200]))
        junk = bytes(
            chance.choices(b'{}[]",:0\\\x00\xff9truenulABC', k=chance.choice([0, 1, 1, 4]))
        )
        data[start:stop] = chance.choice([junk, bytes(data[start:stop]) * 2])
    return bytes(data)


def mutated_values(content, chance, rate=0.05):
    """The JSON with some of its values exchanged for odd ones, and some of its keys gone."""
    if chance.random() < rate:
        return chance.choice(ODD)
    if isinstance(content, dict):
        pairs = ((key, mutated_values(value, chance)) for key, value in content.items())
        return {key: value for key, value in pairs if chance.random() > rate}
    if isinstance(content, list):
        return [mutated_values(item, chance) for item in content]
    return content


def mutants(count, seed):
    chance = random.Random(seed)
    for _ in range(count):
        body = chance.choice(RECORDED)
        if chance.random() < 0.5:
            yield mutated_bytes(body, chance), chance.choice([200, 200, 200, 403, 429, 500])
        else:
            yield json.dumps(mutated_values(json.loads(body), chance)).encode(), 200


ADDRESSES = [Address(kind, "PdA9Amq") for kind in ("album", "image", "gallery")]


def test_ten_thousand_mutated_answers_are_albums_or_typed_errors():
    client = Recorded(None)
    good = 0
    for number, (body, status) in enumerate(mutants(10_000, seed=1)):
        client.answer = Response(status, {}, body)
        good += assert_album_or_error(client, ADDRESSES[number % 3])
    # Enough of both, or the mutants would prove nothing.
    assert 500 < good < 9_500


def test_mutated_answers_over_the_socket(api):
    client = Imgur(access_to(api.url))
    for number, (body, status) in enumerate(mutants(300, seed=2)):
        api.answer(body, status)
        assert_album_or_error(client, ADDRESSES[number % 3])
