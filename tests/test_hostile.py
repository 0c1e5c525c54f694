"""What others may answer to get in, out or through: nothing forbidden is asked, nothing breaks."""

import asyncio
import hashlib
import json
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from flows.mirror_album import mirror_album
from imgur_mirror.api import ApiError, client, parse_address
from imgur_mirror.download import Batch
from imgur_mirror.download.aiohttp_client import fetch_batch_async
from imgur_mirror.download.requests_client import fetch_batch
from imgur_mirror.http.aiohttp_session import connections
from imgur_mirror.models import ByteRange, Image, Outcome, Strategy
from imgur_mirror.settings import Access, Wire
from imgur_mirror.store import album_folder
from standin.process import running
from tests.support.imgur import control, environment

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MD5 = hashlib.md5(PICTURE).hexdigest()
LARGE = b"\x89PNG\r\n\x1a\n" + os.urandom(64) * (2 << 14)


def answer(body=PICTURE, status="200 OK", **headers):
    """The bytes of an answer; a header that is None is left out."""
    wanted = {"Content_Type": "image/png", "Content_Length": len(body)} | headers
    head = b"".join(
        f"{name.replace('_', '-')}: ".encode() + _raw(value) + b"\r\n"
        for name, value in wanted.items()
        if value is not None
    )
    return b"HTTP/1.1 " + status.encode() + b"\r\n" + head + b"\r\n" + body


def _raw(value):
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


@dataclass
class Host:
    """A host that answers with whatever bytes it was told, and keeps what it was sent.

    An answer is bytes, an iterable of them, or a list of such for one request after another.
    """

    address: str = "127.0.0.1"
    answers: dict = field(default_factory=dict)
    connections: int = 0
    sent: int = 0
    requests: list = field(default_factory=list)
    heads: list = field(default_factory=list)

    def __post_init__(self):
        self._listening = socket.create_server((self.address, 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def place(self):
        return f"{self.address}:{self.port}"

    def url(self, path):
        return f"http://{self.place}{path}"

    def close(self):
        # Closing alone does not wake the thread that accepts.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        """Answer until the client leaves; after an answer of no known length, hang up."""
        try:
            with connection, connection.makefile("rb") as sent:
                while line := sent.readline():
                    head = [line, *iter(sent.readline, b"\r\n")]
                    path = line.split()[1].decode("latin-1")
                    self.requests.append(path)
                    self.heads.append(b"".join(head).decode("latin-1"))
                    planned = self.answers.get(path, answer(b"", "400 Bad Request"))
                    planned = planned.pop(0) if isinstance(planned, list) else planned
                    last = b""
                    for last in [planned] if isinstance(planned, bytes) else planned:
                        connection.sendall(last)
                        self.sent += len(last)
                    if not _ends_itself(last):
                        return
        except OSError:
            return


def _ends_itself(sent):
    """Whether an answer is whole by its own word."""
    head, _, body = sent.partition(b"\r\n\r\n")
    chunked = b"Transfer-Encoding: chunked" in head and body.endswith(b"\r\n0\r\n\r\n")
    return chunked or f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n"


@contextmanager
def listening(address="127.0.0.1", **answers):
    with closing(Host(address, answers)) as host:
        yield host


@pytest.fixture
def host():
    with listening() as host:
        yield host


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path / "downloads"), "Album01").start_run() as mine:
        yield mine


def wire(*hosts, **changes):
    values = {"connect_timeout": 60, "read_timeout": 60, "max_bytes": 8 << 20, "backoff": 0.01}
    return Wire(image_hosts=hosts, **(values | changes))


def image(number, link):
    return Image(id=f"image{number:02}", link=link, name=f"image{number:02}.png", type="image/png")


def by_requests(batch, folder, wire):
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(fetch_batch, batch, folder, wire).result()


def by_aiohttp(batch, folder, wire):
    async def run():
        async with connections(wire):
            return await fetch_batch_async(batch, folder, wire)

    return asyncio.run(run())


TRANSFERS = {"requests": by_requests, "aiohttp": by_aiohttp}


@pytest.fixture(params=TRANSFERS)
def fetch(request, folder):
    """Fetch links in one batch, by one of the two transfers; gives every row."""

    def fetch(links, wire):
        pieces = [ByteRange(image(number, link)) for number, link in enumerate(links)]
        return TRANSFERS[request.param](Batch("00000", tuple(pieces)), folder, wire)

    return fetch


def stored(folder):
    """What lies in an album's folder, without the run's own."""
    return {path.name: path.read_bytes() for path in folder.local_dir.iterdir() if path.is_file()}


# Answers that no server should give: each costs its image, and no other of its batch

HUGE = "9" * 5000
LATIN = b"\xff\xfe\xe4"

SOUND = {
    "an ETag with odd bytes": answer(ETag=b'"' + LATIN + b'"'),
    "an ETag of 7 kB": answer(ETag=f'"{"e" * 7000}"'),
    "an ETag that is empty": answer(ETag=""),
    "a type with odd bytes": answer(Content_Type=LATIN),
    "an encoding with odd bytes": answer(Content_Encoding=LATIN),
    "a cookie": answer(Set_Cookie="track=1; Path=/"),
    "a Retry-After on a 200": answer(Retry_After=HUGE),
    "a chunked body": answer(
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(PICTURE), PICTURE),
        Content_Length=None,
        Transfer_Encoding="chunked",
    ),
    "no length but a digest": answer(Content_Length=None, ETag=f'"{MD5}"', Connection="close"),
    "a digest twice": answer(
        Content_Length=None, ETag=f'"{MD5}"', Etag=f'"{MD5}"', Connection="close"
    ),
    "a redirect twice": answer(b"", "302 Found", Location="/0.png", location="/0.png"),
}

UNSOUND = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing at all": b"",
    "a status that is no number": answer(status="abc Odd"),
    "status 000": answer(status="000 Odd"),
    "status 999": answer(status="999 Odd"),
    "status 304 unasked": answer(b"", "304 Not Modified"),
    "status 206 unasked": answer(status="206 Partial Content"),
    "status 416 unasked": answer(b"", "416 Range Not Satisfiable", Content_Range="bytes */5"),
    "a switch of protocols": answer(b"", "101 Switching Protocols", Upgrade="websocket"),
    "a header of 100 kB": answer(X_Long="x" * 100_000),
    "a thousand headers": answer(**{f"X_{number}": number for number in range(1000)}),
    "a header without a colon": b"HTTP/1.1 200 OK\r\nodd\r\n\r\n",
    "a length of 5000 digits": answer(Content_Length=HUGE),
    "a length that is no number": answer(Content_Length="many", Connection="close"),
    "a length below nothing": answer(Content_Length="-5", Connection="close"),
    "two lengths": answer(Content_Length="5, 6"),
    "a chunk of no size": answer(b"zz\r\n", Content_Length=None, Transfer_Encoding="chunked"),
    "a chunk below nothing": answer(b"-5\r\nx", Content_Length=None, Transfer_Encoding="chunked"),
    "a chunk cut short": answer(b"ff\r\nx", Content_Length=None, Transfer_Encoding="chunked"),
    "a line of chunk of 100 kB": answer(
        b"5;" + b"x" * 100_000 + b"\r\nabcde\r\n", Content_Length=None, Transfer_Encoding="chunked"
    ),
    "neither length nor digest": answer(Content_Length=None, Connection="close"),
    "a 206 with a range of 5000 digits": answer(
        status="206 Partial Content", Content_Range=f"bytes {HUGE}-{HUGE}/{HUGE}"
    ),
    **{
        f"a 429 and Retry-After {value[:30]!r}": answer(
            b"", "429 Too Many Requests", Retry_After=value
        )
        for value in (
            "nan",
            "inf",
            "-inf",
            "-1",
            "1e400",
            HUGE,
            "soon",
            "Mon, 99 Foo 2020 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            b"\xff",
        )
    },
    **{
        f"a redirect to {value[:40]!r}": answer(b"", "302 Found", Location=value)
        for value in (
            "",
            "http://[",
            "http://[::1",
            "http://[fe80::1%25eth0]/x.png",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:²/",
            "http://",
            "//",
            "http:///x.png",
            "http://a..b/",
            f"http://{'a' * 64}/",
            f"http://{'a.' * 200}/",
            f"/{'x' * 7000}",
            "http://%zz/",
            "/%zz/\\..\\x.png",
            LATIN,
            b"/" + LATIN,
            b"http://" + LATIN + b"/",
            b"/\x01\x7f",
            "\\\\127.0.0.2\\x.png",
            "/\\127.0.0.2/x.png",
            "http://xn--/",
            "javascript:alert(1)",
            "data:image/png;base64,iVBORw0KGgo=",
            "file:///etc/passwd",
            "ftp://127.0.0.2/x.png",
            "HTTPS://127.0.0.2/x.png",
        )
    },
}


def test_an_odd_answer_may_still_hold_a_picture(host, folder, fetch):
    for number, sent in enumerate(SOUND.values()):
        host.answers[f"/{number}.png"] = sent

    rows = fetch([host.url(f"/{number}.png") for number in range(len(SOUND))], wire(host.place))

    ended = {name: (row.outcome, row.error) for name, row in zip(SOUND, rows, strict=True)}
    assert ended == dict.fromkeys(SOUND, (Outcome.DOWNLOADED, None))
    assert set(stored(folder).values()) == {PICTURE}


@pytest.mark.parametrize("name", UNSOUND)
def test_an_answer_that_is_no_answer_costs_only_its_image(name, host, folder, fetch):
    host.answers |= {"/bad.png": UNSOUND[name], "/good.png": answer()}

    links = [host.url("/good.png"), host.url("/bad.png"), host.url("/good.png")]
    first, odd, last = fetch(links, wire(host.place))

    assert odd.outcome is Outcome.FAILED
    assert odd.error
    assert not odd.error.startswith("unexpected")
    assert (first.outcome, last.outcome) == (Outcome.DOWNLOADED, Outcome.DOWNLOADED)
    assert stored(folder) == {first.name: PICTURE, last.name: PICTURE}


# What never ends, or is larger than it may be


def _endless(head, block=bytes(64 << 10)):
    yield head
    while True:
        yield block


def _endless_chunks(head):
    return _endless(head, b"10000\r\n" + bytes(1 << 16) + b"\r\n")


ENDLESS = {
    "no length": lambda: _endless(b"HTTP/1.1 200 OK\r\n\r\n"),
    "chunks": lambda: _endless_chunks(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "10 GiB": lambda: _endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"),
    "a long error": lambda: _endless(b"HTTP/1.1 403 No\r\nContent-Length: 10737418240\r\n\r\n"),
    "an endless error": lambda: _endless_chunks(
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "an endless redirect": lambda: _endless(
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 10737418240\r\n\r\n"
    ),
    "a redirect without a length": lambda: _endless(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
    "an endless header": lambda: _endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * (64 << 10)),
    "endless headers": lambda: _endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
    "an endless status line": lambda: _endless(b"HTTP/1.1 200 ", b"x" * (64 << 10)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_cut_off(name, host, folder, fetch):
    host.answers |= {"/endless.png": ENDLESS[name](), "/good.png": answer()}
    most = 8 << 20

    links = [host.url("/endless.png"), host.url("/good.png")]
    endless, good = fetch(links, wire(host.place, max_bytes=most))

    assert endless.outcome is Outcome.FAILED
    assert good.outcome is Outcome.DOWNLOADED
    # What the buffers of two sockets hold was sent as well.
    assert host.sent < most + (16 << 20)
    assert stored(folder) == {good.name: PICTURE}


# The connection


def test_one_connection_does_for_a_batch_whatever_is_answered(host, fetch):
    small = b"<p>There is nothing to see here</p>"
    moved = {"Content_Type": "text/plain", "Location": "/good.png"}
    host.answers |= {
        "/good.png": answer(ETag=f'"{MD5}"'),
        "/chunked.png": SOUND["a chunked body"],
        "/404.png": answer(small, "404 Not Found"),
        "/403.png": answer(small, "403 Forbidden"),
        "/500.png": answer(small, "500 Internal Server Error"),
        "/302.png": answer(b"", "302 Found", **moved),
        "/301.png": answer(small, "301 Moved Permanently", **moved),
        "/page.png": answer(small, Content_Type="text/html"),
    }

    rows = fetch([host.url(path) for path in [*host.answers, "/good.png"]], wire(host.place))

    assert [row.outcome.value for row in rows] == [
        "downloaded",
        "downloaded",
        "gone",
        "failed",
        "failed",
        "downloaded",
        "downloaded",
        "failed",
        "downloaded",
    ]
    assert len(host.requests) == len(rows) + 2
    assert host.connections == 1


def test_neither_cookies_nor_credentials_are_sent(host, fetch, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    host.answers["/good.png"] = answer(Set_Cookie="track=1; Path=/")

    fetch([host.url("/good.png")] * 3, wire(host.place))

    assert len(host.heads) == 3
    for head in host.heads:
        assert "cookie" not in head.lower()
        assert "authorization" not in head.lower()
        assert "Accept-Encoding: identity\r\n" in head


def test_a_connection_lost_before_an_answer_is_one_attempt(host, fetch):
    host.answers |= {"/good.png": answer(), "/lost.png": b""}

    _, lost, _ = fetch(
        [host.url(f"/{name}.png") for name in ("good", "lost", "good")], wire(host.place)
    )

    assert host.requests.count("/lost.png") == lost.attempts == 1
    assert lost.retryable


# Resuming with what another sent as its ETag

ODD_ETAGS = {
    "folded": b'"a\r\n b"',
    "with odd bytes": b'"' + LATIN + b'"',
    "weak": 'W/"abc"',
    "too long": f'"{"e" * 7000}"',
    "bare": "abc",
    "empty": "",
}


def _cut(etag):
    """The first 1.5 MiB of a larger picture."""
    whole = answer(LARGE, ETag=etag)
    return whole[: len(whole) - len(LARGE) + (3 << 19)]


@pytest.mark.parametrize("name", ODD_ETAGS)
def test_an_odd_etag_is_not_sent_back(name, host, folder, fetch):
    host.answers["/large.png"] = [_cut(ODD_ETAGS[name]), answer(LARGE)]

    (cut,) = fetch([host.url("/large.png")], wire(host.place))
    assert cut.retryable
    assert stored(folder) == {}
    (whole,) = fetch([host.url("/large.png")], wire(host.place))

    assert (whole.outcome, whole.attempts) == (Outcome.DOWNLOADED, 2)
    assert "Range:" not in host.heads[-1]
    assert stored(folder) == {whole.name: LARGE}


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b'"a\r\nHost: b"', b'"a\x00"', b'"cut'])
def test_what_a_crash_left_beside_a_part_is_not_trusted(left, host, folder, fetch):
    (folder.local_dir / "image00.png.part").write_bytes(LARGE[::-1])
    (folder.local_dir / "image00.png.part.etag").write_bytes(left)
    host.answers["/large.png"] = answer(LARGE)

    (row,) = fetch([host.url("/large.png")], wire(host.place))

    assert row.outcome is Outcome.DOWNLOADED
    assert stored(folder) == {row.name: LARGE}


def test_a_file_that_went_meanwhile_is_fetched(host, folder):
    """It was there when the run was planned."""
    host.answers["/good.png"] = answer()
    piece = ByteRange(image(0, host.url("/good.png")), file_exists=True)

    (row,) = by_requests(Batch("00000", (piece,)), folder, wire(host.place))

    assert row.outcome is Outcome.DOWNLOADED
    assert "If-None-Match" not in host.heads[0]


# Where nothing may be asked


class Calls:
    """The addresses that this process connects to, told by the interpreter itself."""

    def __init__(self):
        self.seen = None
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if event == "socket.connect" and self.seen is not None:
            self.seen.append(arguments[1])

    @contextmanager
    def heard(self):
        self.seen = []
        try:
            yield self.seen
        finally:
            self.seen = None


calls = Calls()

# TRAP is where a second host listens, at 127.0.0.2; localhost is listed without its port.
FORBIDDEN = [
    "http://TRAP/x.png",
    "https://TRAP/x.png",
    "HTTP://TRAP/x.png",
    "http://TRAP",
    "ftp://TRAP/x.png",
    "file://TRAP/x.png",
    "gopher://TRAP/x.png",
    "ws://TRAP/x.png",
    "http://user:password@TRAP/x.png",
    "http://user@TRAP/x.png",
    "http://@TRAP/x.png",
    "http://ALLOWED@TRAP/x.png",
    "http://ALLOWED:80@TRAP/x.png",
    "http://user:password@ALLOWED/x.png",
    "http://TRAP#@ALLOWED/x.png",
    "http://TRAP?@ALLOWED/x.png",
    "http://TRAP\\@ALLOWED/x.png",
    "http://ALLOWED\\@TRAP/x.png",
    "http://2130706434:PORT/x.png",
    "http://0x7f000002:PORT/x.png",
    "http://0177.0.0.2:PORT/x.png",
    "http://127.2:PORT/x.png",
    "http://[::ffff:127.0.0.2]:PORT/x.png",
    "http://[::127.0.0.2]:PORT/x.png",
    "http://127.0.0.2.:PORT/x.png",
    "http://localhost:PORT/x.png",
    "http://localhost/x.png",
    "https://localhost/x.png",
    "https://localhost:443/x.png",
    "https://LOCALHOST/x.png",
    "https://localhost./x.png",
    "https://127.0.0.2/x.png",
    "https://10.0.0.1/x.png",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x.png",
    "https://[fe80::1]/x.png",
    "https://[fd00::1]/x.png",
    "https://0.0.0.0/x.png",
]
PORTLESS = ("localhost", "127.0.0.2", "10.0.0.1", "169.254.169.254", "[::1]", "::1", "0.0.0.0")


@pytest.fixture
def trap():
    with listening("127.0.0.2") as trap:
        yield trap


@pytest.mark.parametrize("how", ["link", "redirect", "second redirect"])
def test_no_request_reaches_a_forbidden_place(how, host, trap, folder, fetch):
    links = [
        place.replace("TRAP", trap.place)
        .replace("ALLOWED", host.place)
        .replace("PORT", str(trap.port))
        for place in FORBIDDEN
    ]
    if how != "link":
        host.answers |= {
            f"/to/{number}": answer(b"", "302 Found", Location=link)
            for number, link in enumerate(links)
        } | {
            f"/via/{number}": answer(b"", "307 Temporary Redirect", Location=f"/to/{number}")
            for number in range(len(links))
        }
        start = "/to" if how == "redirect" else "/via"
        links = [host.url(f"{start}/{number}") for number in range(len(links))]

    with calls.heard() as called:
        rows = fetch(links, wire(host.place, *PORTLESS))

    said = {place: row.error for place, row in zip(FORBIDDEN, rows, strict=True)}
    assert [place for place, error in said.items() if not error.startswith("refused: ")] == []
    assert {row.outcome for row in rows} == {Outcome.FAILED}
    assert not any(row.retryable for row in rows)
    assert trap.connections == 0
    assert set(called) == (set() if how == "link" else {(host.address, host.port)})
    assert len(host.requests) == {"link": 0, "redirect": 1, "second redirect": 2}[how] * len(links)


def test_a_proxy_of_the_environment_is_asked_for_allowed_images_only(
    host, trap, fetch, monkeypatch
):
    """The proxy may be at a private address: the user set it."""
    good = "http://images.example:81/good.png"
    host.answers[good] = answer()
    monkeypatch.setenv("http_proxy", f"http://{host.place}")
    monkeypatch.setenv("no_proxy", "")

    allowed, refused = fetch([good, f"http://{trap.place}/x.png"], wire("images.example:81"))

    assert (allowed.outcome, refused.outcome) == (Outcome.DOWNLOADED, Outcome.FAILED)
    assert host.requests == [good]
    assert trap.connections == 0


def test_a_listed_port_is_asked_wherever_it_is(host, fetch):
    host.answers["/good.png"] = answer()

    (row,) = fetch([f"http://localhost:{host.port}/good.png"], wire(f"localhost:{host.port}"))

    assert row.outcome is Outcome.DOWNLOADED


# The API's answers, through the flow


@pytest.fixture(scope="module")
def standin():
    with running("fast") as address:
        yield address


def test_credentials_follow_no_redirect_of_the_api(standin, trap):
    control(standin, "PUT", "albums/Moved01", {"count": 1})
    fault = {"path": "album/Moved01", "kind": "redirect", "location": trap.url("/3/album/Moved01")}
    control(standin, "PUT", "api-faults", fault)
    access = Access(f"{standin}/", SecretStr("standin"), None, retries=0)

    with pytest.raises(ApiError):
        client.fetch_album(parse_address("Moved01"), access)

    assert trap.connections == 0


IDS = [
    "../../escape",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "\u202eabc",
    "con",
    "NUL",
    "com1",
    "album.json",
    ".run-00000000",
    "~",
    "x" * 65,
    "x" * 5000,
    "ÀÉÎÕÜ",
    None,
    7,
    ["x"],
]

# TRAP and HOST are where the second host and the stand-in listen.
LINKED = [
    "http://TRAP/x.png",
    "ftp://TRAP/x.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "http://user:password@HOST/x.png",
    "https://localhost/x.png",
    "http://localhost:PORT/x.png",
    "../x.png",
    "//",
    "http://[::1",
    "\0",
    "http://HOST/x.png\r\nHost: evil",
    None,
    7,
]


def _hostile_images(standin, trap, honest):
    """What the API may list, with the one file that is as it should be."""
    base = {"type": "image/png", "size": 2000, "datetime": 1400000000}
    good = f"{standin}/{honest['name']}"
    twins = [{"id": word, "link": good, "type": "image/png"} for word in _twins(honest)]
    named = [{"id": word, "link": good, **base} for word in IDS]
    linked = [{"id": f"linked{n:02}", "link": link, **base} for n, link in enumerate(LINKED)]
    places = {"TRAP": trap.place, "HOST": standin.removeprefix("http://"), "PORT": str(trap.port)}
    text = json.dumps([*named, *linked, *twins])
    for word, place in places.items():
        text = text.replace(word, place)
    return json.loads(text)


def _twins(honest):
    """Ids that differ in their capitals alone."""
    return {honest["id"].upper(), honest["id"].lower()}


@pytest.mark.parametrize("strategy", Strategy)
def test_a_hostile_album_gets_nothing_out_and_nothing_in(
    strategy, standin, trap, prefect_server, tmp_path, monkeypatch
):
    number = list(Strategy).index(strategy)
    (one,) = control(standin, "PUT", f"albums/Honest{number}", {"kinds": ["png"], "bytes": 3000})
    images = _hostile_images(standin, trap, one)
    control(standin, "PUT", f"albums/Hostil{number}", {"images": images})
    control(standin, "DELETE", "served")
    hosts = json.dumps([standin.removeprefix("http://"), "localhost"])
    settings = environment(standin) | {"IMGUR_IMAGE_HOSTS": hosts, "IMGUR_BACKOFF": "0.01"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    downloads = tmp_path / "a" / "b" / "downloads"
    before = _tree(tmp_path)

    state = mirror_album(f"Hostil{number}", strategy, 2, str(downloads), return_state=True)

    assert state.is_failed()
    folder = downloads / f"Hostil{number}"
    files = {path.name for path in folder.iterdir()} - {"album.json"}
    # Names that differ in their capitals alone are told apart on every file system.
    assert len({name.casefold() for name in files}) == len(files) == len(_twins(one))
    assert _tree(tmp_path) - before == _tree_of_run(tmp_path, folder, files)
    assert trap.connections == 0
    served = control(standin, "GET", "served")
    assert [entry["path"] for entry in served] == [f"/{one['name']}"] * len(files)
    assert not any(entry["had_authorization"] for entry in served)
    manifest = json.loads((folder / "album.json").read_bytes())
    assert {row["file"] for row in manifest["images"]} - {None} == files


def _tree_of_run(root, folder, files):
    """All that a run may leave: the files of the album, its manifest and its report."""
    downloads, pages = folder.parent, folder.parent / "_reports" / folder.name
    left = [
        *(*downloads.parents[:2], downloads, folder, folder / "album.json", pages.parent, pages),
        *(folder / name for name in files),
        *(pages / name for name in ("contact-sheet.html", "report.md", "waterfall.svg")),
        *(pages / "thumbnails", *(pages / "thumbnails").glob("*.webp")),
    ]
    return {str(path.relative_to(root)) for path in left}


def _tree(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
