"""Where the images of a benchmark come from: the stand-in, or nginx on loopback."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.measuring import BenchmarkError
from standin.network import Profile
from standin.pictures import Picture, draw
from standin.process import running

__all__ = [
    "Listed",
    "Source",
    "await_port",
    "free_port",
    "limit",
    "listed_by_nginx",
    "nginx_program",
    "of_standin",
    "pointing_at",
    "quickest",
    "with_album",
]

PICTURES = 100
"""How many different pictures the files of nginx have between them."""

START = 20
"""Seconds within which a server listens."""


@dataclass(frozen=True, slots=True)
class Source:
    """An album: API and images at one address; `files` are the bytes of each file by its name."""

    address: str
    album: str
    files: Mapping[str, int]

    @property
    def links(self) -> list[str]:
        """Where the images are."""
        return [f"{self.address}/{name}" for name in self.files]

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(self.files.values())

    def part(self, count: int) -> "Source":
        """The first so many of its images, for those that list the links themselves."""
        return Source(self.address, self.album, dict(list(self.files.items())[:count]))

    def check(self, folder: Path, who: str) -> None:
        """Refuse what a contender left where a file is missing or has another size.

        Raises:
            BenchmarkError: naming one of them.
        """
        for name, size in self.files.items():
            path = folder / name
            if not path.exists() or path.stat().st_size != size:
                raise BenchmarkError(f"{who} did not download {name} with its {size} bytes")

    @contextmanager
    def configured(self) -> Iterator[None]:
        """Have the settings of this process, and of its children, lead here."""
        with pointing_at(self.address):
            yield


@contextmanager
def pointing_at(address: str) -> Iterator[None]:
    """Have the settings of this process, and of its children, lead to one host for everything."""
    kept = dict(os.environ)
    for name in [name for name in kept if name.startswith(("IMGUR_", "CLIENT_"))]:
        del os.environ[name]
    os.environ |= {
        "IMGUR_API_URL": f"{address}/",
        "IMGUR_IMAGE_HOSTS": json.dumps([address.removeprefix("http://")]),
        "IMGUR_CLIENT_ID": "benchmark",
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file with a link a line, all to pictures of `size` bytes; `log` has what was asked for."""

    address: str
    path: Path
    count: int
    size: int
    log: Path

    @property
    def asked(self) -> int:
        """About how many requests came so far: nginx writes them down some at a time."""
        return self.log.stat().st_size // len(f"/{_numbered(0)}\n")

    def requests(self) -> Counter[str]:
        """How often each was asked for."""
        time.sleep(FLUSH)
        with self.log.open(encoding="ascii") as lines:
            return Counter(line.rstrip() for line in lines)

    def check(self, folder: Path, who: str) -> None:
        """Refuse what a contender left below a folder where a picture is missing.

        Raises:
            BenchmarkError: saying how many are there.
        """
        found = sum(
            name.endswith(".jpg") and Path(path, name).stat().st_size == self.size
            for path, _, names in os.walk(folder)
            for name in names
        )
        if found != self.count:
            raise BenchmarkError(f"{who} left {found} of {self.count} whole pictures")


def limit(network: Profile, size: int, connections: int) -> float:
    """Seconds below which nobody gets: the bytes at the link's rate, and one connection's set-up.

    Without a link rate it is that of all connections together. The wait for the first byte counts
    as set-up: nothing comes before.
    """
    rate = min(network.link_rate or inf, connections * (network.connection_rate or inf))
    return network.connect + network.first_byte + size / rate


@contextmanager
def of_standin(
    profile: str, *flags: str, album: str = "PdA9Amq", sizes: Sequence[int] = (), width: int = 0
) -> Iterator[Source]:
    """The stand-in's album on a profile, or one that `with_album` puts there."""
    with running(profile, *flags) as address:
        yield with_album(address, album, sizes, width)


def with_album(address: str, album: str, sizes: Sequence[int] = (), width: int = 0) -> Source:
    """An album of the stand-in at an address, of images of these sizes where they are given.

    They are `width` pixels across; 0 for what surely fits.
    """
    channel = f"{address}/_/albums/{album}"
    if sizes:
        _ask(channel, {"bytes": list(sizes), "count": len(sizes), "width": width})
    return Source(address, album, {row["name"]: row["bytes"] for row in _ask(channel)})


def _ask(address: str, body: object = None) -> list[dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(address, data, method="GET" if data is None else "PUT")  # noqa: S310 - loopback
    with urlopen(request) as answer:  # noqa: S310 - loopback
        listed: list[dict[str, Any]] = json.load(answer)
    return listed


@contextmanager
def quickest(
    ground: Path, counts: Sequence[int], size: int, width: int = 0
) -> Iterator[tuple[list[Source], str]]:
    """Albums of the first so many of the same files, and who serves them: nginx, if it is there.

    All are of one size, and `width` pixels across; 0 for what surely fits.

    Raises:
        BenchmarkError: where there is no nginx, for several albums.
    """
    if nginx_program():
        with _of_nginx(ground, counts, size, width) as sources:
            yield sources, "nginx"
    elif len(counts) == 1:
        sizes = [size] * counts[0]
        with of_standin("raw", album="b000001", sizes=sizes, width=width) as source:
            yield [source], "the stand-in"
    else:
        # The stand-in lists an image with all its fields, and 32 MiB of an answer are read.
        raise BenchmarkError("so many images need nginx: apt install nginx-light")


@contextmanager
def _of_nginx(ground: Path, counts: Sequence[int], size: int, width: int) -> Iterator[list[Source]]:
    root = ground / "nginx"
    (root / "files" / "3" / "album").mkdir(parents=True)
    names = _write_files(root / "files", max(counts), size, width)
    try:
        with _nginx(root) as address:
            yield [_album(root / "files", address, names[:count], size) for count in counts]
    finally:
        shutil.rmtree(root)


@contextmanager
def listed_by_nginx(ground: Path, count: int, size: int) -> Iterator[Listed]:
    """So many links to a few pictures of one size, served by nginx under as many names."""
    root = ground / "nginx"
    (root / "files").mkdir(parents=True)
    _write_files(root / "files", PICTURES, size)
    log = root / "asked"
    try:
        with _nginx(root, LOGGED.format(log=log, flush=FLUSH / 2), FEW) as address:
            path = ground / "links.txt"
            with path.open("w", encoding="ascii") as file:
                file.writelines(f"{address}/{_numbered(number)}\n" for number in range(count))
            yield Listed(address, path, count, size, log)
    finally:
        shutil.rmtree(root)


def _numbered(number: int) -> str:
    return f"n{number:09}.jpg"


def _write_files(folder: Path, count: int, size: int, width: int = 0) -> list[str]:
    """Write pictures, and link them to as many names as there are to be files."""
    names = [f"r{number:06}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        if number < PICTURES:
            picture = draw(Picture(name.removesuffix(".jpg"), "jpg", size, width=width))
            (folder / name).write_bytes(picture.read(0, size))
        else:
            (folder / name).hardlink_to(folder / names[number % PICTURES])
    return names


def _album(folder: Path, address: str, names: Sequence[str], size: int) -> Source:
    """Write down what the API answers for an album, and describe the album."""
    album = f"b{len(names):06}"
    images = [_listed(name, address, size) for name in names]
    data = {"id": album, "title": None, "images_count": len(images), "images": images}
    answer = json.dumps({"data": data, "success": True, "status": 200})
    (folder / "3" / "album" / album).write_text(answer, encoding="utf-8")
    return Source(address, album, dict.fromkeys(names, size))


def _listed(name: str, address: str, size: int) -> dict[str, object]:
    """An image as the API has it, with the fields that are read: all would be a large answer."""
    return {
        "id": name.removesuffix(".jpg"),
        "type": "image/jpeg",
        "size": size,
        "datetime": 1_400_000_000,
        "link": f"{address}/{name}",
    }


def nginx_program() -> str | None:
    """Where nginx is, if it is; Debian has it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


FLUSH = 2
"""Seconds after which all that was asked for is written down."""

LOGGED = "{log} asked buffer=64k flush={flush:.0f}s"

FEW = "rewrite ^/n[0-9]+([0-9][0-9])[.]jpg$ /r0000$1.jpg break;"
"""Many names for the few files that `_write_files` makes: a million would be what is measured."""

CONFIGURATION = """
daemon off;
master_process off;
pid {root}/pid;
error_log {root}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format asked $request_uri;
  access_log {log};
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  open_file_cache max=1000 inactive=60s;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  types {{ image/jpeg jpg; }}
  default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    root {root}/files;
    {rewrite}
  }}
}}
"""


@contextmanager
def _nginx(root: Path, log: str = "off", rewrite: str = "") -> Iterator[str]:
    """Serve `root`/files by one process of nginx, which ends with the block."""
    port = free_port()
    text = CONFIGURATION.format(root=root, port=port, log=log, rewrite=rewrite)
    (root / "conf").write_text(text, encoding="utf-8")
    program = nginx_program()
    if program is None:
        raise BenchmarkError("nginx is not installed: apt install nginx-light")
    command = [program, "-p", f"{root}", "-c", f"{root}/conf", "-e", f"{root}/error.log"]
    with subprocess.Popen(command) as server:  # noqa: S603 - nothing in it comes from outside
        try:
            await_port(port, server, root / "error.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def await_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when a server listens on a port of this machine.

    Raises:
        BenchmarkError: where it does not, with the end of its log.
    """
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    said = log.read_text(encoding="utf-8")[-500:] if log.exists() else ""
    raise BenchmarkError(f"{server.args!r:.40} did not start: {said}")


def free_port() -> int:
    """Find a port of this machine that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
