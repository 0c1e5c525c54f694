"""A store at an address: the promises of a folder, kept with objects of a real S3 server."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO

import fsspec
import psutil
import pyarrow.parquet
import pytest

from flows.cli.command_line import main
from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from flows.mirror_many import mirror_many
from imgur_mirror.download.progress import Progress
from imgur_mirror.models import Download, Outcome, Strategy, Work
from imgur_mirror.report import mirror_headline
from imgur_mirror.store import StoreAway, album_folder
from imgur_mirror.store.object_store import ObjectStorage
from imgur_mirror.store.run_state import scratch
from tests.support.albums import manifest, stored, without_times
from tests.support.imgur import contents, control, fault, images_served, new_album, put
from tests.support.prefect_api import make_limit
from tests.support.processes import free_port, python
from tests.support.waiting import LONG, eventually

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]

MIB = 1 << 20
FEW_TRIES = {"config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 2}}}


class Proxy:
    """What lies between the workers and the server, and fails as it is told.

    A connection is reset after each `every` bytes of all that is sent, `resets` times. A request
    whose first line has `refused` in it is answered by `answer`, or by a reset where that is
    empty, `times` times.
    """

    def __init__(self, endpoint):
        host, _, port = endpoint.removeprefix("http://").rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.every, self.resets = None, 0
        self.refused, self.answer, self.times = None, b"", 0
        self.lines = []
        self.faults = self._sent = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=[client], daemon=True).start()

    def _relay(self, client):
        server = socket.create_connection(self._server)
        back = threading.Thread(target=self._back, args=[server, client], daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while block := client.recv(16384):
                self._note(block)
                if (answer := self._fails(block)) is not None:
                    self._end(client, answer)
                    break
                server.sendall(block)
        client.close()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()

    def _back(self, server, client):
        with contextlib.suppress(OSError):
            while block := server.recv(65536):
                client.sendall(block)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _note(self, block):
        line = block.partition(b"\r\n")[0]
        if line.endswith(b"HTTP/1.1"):
            self.lines.append(line.decode("ascii"))

    def _fails(self, block):
        """Give the answer that ends the connection, empty for a reset; None to go on."""
        with self._lock:
            before, self._sent = self._sent, self._sent + len(block)
            line = block.partition(b"\r\n")[0]
            asked = line.endswith(b"HTTP/1.1") and self.refused and self.refused in line
            if asked and self.times > 0:
                self.times -= 1
                self.faults += 1
                return self.answer
            past = self.every is not None and before // self.every != self._sent // self.every
            if past and self.resets > 0:
                self.resets -= 1
                self.faults += 1
                return b""
            return None

    def _end(self, client, answer):
        if answer:
            client.sendall(answer)
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def says(status, code, message="as the test wants it"):
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def proxy(s3, bucket, monkeypatch):
    made = Proxy(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
    yield made
    made.close()


@contextlib.contextmanager
def watched(bucket, album, wanted):
    """Look, while the block runs, that what lies under an image's name is that image."""
    done, seen, wrong = threading.Event(), set(), {}

    def watch():
        while not done.is_set():
            names = {key.rpartition("/")[2] for key in bucket.all(f"{album}/")} & wanted.keys()
            for name in names:
                seen.add(name)
                if (digest := md5(bucket.read(f"{album}/{name}")).hexdigest()) != wanted[name]:
                    wrong[name] = digest

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
    assert wrong == {}


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_leaves_what_it_leaves_in_a_folder(strategy, imgur, bucket, tmp_path):
    album = new_album(imgur, bytes=[3000, 70_000, 400_000, 2_000_000, 3000, 3000])
    mirror_album(album, "async", 4, str(tmp_path / "folder"))
    served = images_served(imgur, album)

    mirrored = mirror_album(album, strategy, 4)

    assert len(mirrored.having(Outcome.DOWNLOADED)) == 6
    assert bucket.images(album) == stored(tmp_path / "folder" / album) == contents(imgur, album)
    there = json.loads(bucket.read(f"{album}/album.json"))
    assert without_times(there) == without_times(manifest(tmp_path / "folder" / album))
    assert bucket.about(next(k for k in bucket.all(album) if ".jpg" in k))["ContentType"] == (
        "image/jpeg"
    )
    assert sorted(bucket.all("_reports")) == sorted(
        f"_reports/{path.relative_to(tmp_path / 'folder' / '_reports')}"
        for path in (tmp_path / "folder" / "_reports").rglob("*.*")
    )
    assert images_served(imgur, album) == served + 6
    assert list(scratch(f"{bucket.address}/{album}").iterdir()) == []

    again = mirror_album(album, strategy, 4)
    assert len(again.having(Outcome.UNCHANGED)) == 6
    assert images_served(imgur, album) == served + 6
    assert without_times(json.loads(bucket.read(f"{album}/album.json"))) == there


def test_the_work_on_images_is_done_and_kept_there_too(imgur, bucket):
    """Also of images that are there already."""
    album = new_album(imgur, count=2, bytes=3000)
    mirror_album(album, Strategy.ASYNC, 2)
    run = mirror_album(album, Strategy.ASYNC, 2, work=Work.THUMBNAIL)
    assert all(row.perceptual_hash and not row.attempts for row in run.downloads)
    kept = album_folder(bucket.address, album).thumbnails
    assert kept.known() == {row.md5 for row in run.downloads}
    again = mirror_album(album, Strategy.ASYNC, 2, work=Work.THUMBNAIL)
    assert {row.work_started for row in again.downloads} == {None}


def test_the_contact_sheet_has_the_stored_images(imgur, bucket):
    album = new_album(imgur, count=3, bytes=3000)
    mirror_album(album)
    page = bucket.read(f"_reports/{album}/contact-sheet.html").decode()
    assert page.count("data:image/webp;base64,") == 3
    assert f'href="../../{album}/' in page


def test_nothing_is_listed_but_the_album_itself(imgur, bucket, proxy):
    album = new_album(imgur, count=3, bytes=3000)
    mirror_album(album)
    mirror_album(album, verify=True)
    lists = {line for line in proxy.lines if "list-type=2" in line}
    assert lists
    assert {line for line in lists if f"%2F{album}%2F" not in line} == set()


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC])
def test_a_damaged_or_missing_object_is_fetched_again(strategy, imgur, bucket):
    album = new_album(imgur, bytes=[20 * MIB, 3000, 3000, 3000])
    mirror_album(album, strategy, 2)
    large, flipped, missing, _ = contents(imgur, album)
    assert not bucket.about(f"{album}/{large}")["ETag"].strip('"').isalnum()  # came in parts
    for name in (large, flipped):
        body = bytearray(bucket.read(f"{album}/{name}"))
        body[-1] ^= 1
        bucket.write(f"{album}/{name}", bytes(body))
    bucket.remove(f"{album}/{missing}")

    mirrored = mirror_album(album, strategy, 2, verify=True)

    assert {row.name for row in mirrored.having(Outcome.DOWNLOADED)} == {large, flipped, missing}
    assert bucket.images(album) == contents(imgur, album)
    assert len(mirror_album(album, strategy, 2, verify=True).having(Outcome.UNCHANGED)) == 4


def started(album, strategy, *options):
    command = [sys.executable, "-m", "flows.mirror_album", album, "--strategy", strategy]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def hold(imgur, album):
    """Have a run of the album's images take its time, and come to no end before it is killed."""
    put(imgur, "faults/*", {"kind": "slow", "rate": 100_000})
    for name in list(contents(imgur, album))[-3:]:
        fault(imgur, name, "stall")


@pytest.mark.parametrize("strategy", Strategy)
def test_the_next_run_fetches_only_what_a_killed_one_did_not_store(
    strategy, imgur, bucket, prefect_server, monkeypatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    album = new_album(imgur, count=40, bytes=20_000)
    hold(imgur, album)
    run = started(album, strategy, "--workers", "4")
    assert eventually(lambda: sum(".jpg" in key for key in bucket.all(f"{album}/")) >= 15)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    there = bucket.images(album).keys() & contents(imgur, album).keys()
    control(imgur, "DELETE", "faults")
    served = images_served(imgur, album)
    assert 15 <= len(there) < 40

    mirrored = mirror_album(album, strategy, 4)

    assert {row.name for row in mirrored.having(Outcome.UNCHANGED)} == there
    assert images_served(imgur, album) == served + 40 - len(there)
    left = bucket.images(album)
    assert {name: left[name] for name in left if not name.startswith(".")} == contents(imgur, album)
    # What the killed run noted is of a run that may be alive.
    runs = {name.partition("/")[0] for name in left if name.startswith(".")}
    assert len(runs) == 1
    (noted,) = runs
    assert mirror_album(album, strategy, 4).having(Outcome.UNCHANGED)
    monkeypatch.setattr("imgur_mirror.store.folder.STALE", -LONG)
    mirror_album(album, strategy, 4)
    assert not [name for name in bucket.images(album) if name.startswith(noted)]


def peak(run):
    """Wait for a run, and give the most bytes that it had resident."""
    most = 0
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, psutil.Process(run.pid).memory_info().rss)
        time.sleep(0.02)
    assert run.returncode == 0
    return most


def test_a_large_image_takes_no_more_memory_than_its_parts(
    imgur, bucket, prefect_server, monkeypatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    small, large = (
        new_album(imgur, count=1, bytes=size, kinds=["mp4"]) for size in (MIB, 300 * MIB)
    )
    least, most = (peak(started(album, "async", "--workers", "2")) for album in (small, large))
    (name,) = contents(imgur, large)
    assert bucket.about(f"{large}/{name}")["ContentLength"] == 300 * MIB
    assert bucket.about(f"{large}/{name}")["ETag"].strip('"').endswith("-38")
    assert bucket.images(large) == contents(imgur, large)
    assert most - least < 80 * MIB


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC])
def test_resets_and_refusals_on_the_way_to_the_store_cost_nothing(strategy, imgur, bucket, proxy):
    album = new_album(imgur, bytes=[18 * MIB, 600_000, *[20_000] * 30])
    wanted = contents(imgur, album)
    proxy.every, proxy.resets = 900_000, 12
    proxy.refused, proxy.answer, proxy.times = b"PUT /", says("503 Slow Down", "SlowDown"), 8
    with watched(bucket, album, wanted) as seen:
        mirrored = mirror_album(album, strategy, 8)
    assert proxy.faults == 20
    assert len(seen) > 1
    assert len(mirrored.having(Outcome.DOWNLOADED)) == 32
    assert bucket.images(album) == wanted
    assert images_served(imgur, album) == 32


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC])
def test_an_image_that_never_gets_there_fails_and_no_other(
    strategy, imgur, bucket, proxy, monkeypatch
):
    monkeypatch.setitem(fsspec.config.conf, "s3", FEW_TRIES)
    monkeypatch.setenv("IMGUR_RETRIES", "1")
    album = new_album(imgur, count=12, bytes=3000)
    unlucky = next(iter(contents(imgur, album)))
    proxy.refused, proxy.times = f"/{unlucky}".encode(), 1000

    state = mirror_album(album, strategy, 4, return_state=True)

    assert state.is_failed()
    assert f"{bucket.address}/{album} does not answer as it should" in state.message
    assert bucket.images(album).keys() == contents(imgur, album).keys() - {unlucky}
    proxy.times = 0
    mirrored = mirror_album(album, strategy, 4)
    assert [row.name for row in mirrored.having(Outcome.DOWNLOADED)] == [unlucky]


def test_the_progress_of_other_machines_is_gathered(bucket, monkeypatch):
    monkeypatch.setattr("imgur_mirror.download.progress.GATHER_SECONDS", -1)
    with album_folder(bucket.address, "A").start_run() as folder:
        journal = folder.run_state.journal("00000")
        journal.append(Download(id="a", name="a.jpg", outcome=Outcome.DOWNLOADED, received=5))
        journal.close()
        noted = bucket.read(f"A/.run-{folder.run}/00000.jsonl")
        bucket.write(f"A/.run-{folder.run}/00001.jsonl", noted.replace(b'"a', b'"b'))
        bucket.write(f"A/.run-{folder.run}/00002.jsonl", b"")
        progress = Progress(folder)
        for _ in range(2):
            assert (progress.read().images, progress.bytes) == (2, 10)


def test_several_that_gather_the_progress_are_not_in_each_others_way(bucket):
    with album_folder(bucket.address, "A").start_run() as folder:
        line = b'{"id": "a", "name": "a.jpg", "outcome": "downloaded"}\n'
        for number in range(20):
            bucket.write(f"A/.run-{folder.run}/{number:05}.jsonl", line)
        with ThreadPoolExecutor(4) as pool:
            ended = [pool.submit(folder.run_state.gather) for _ in range(4)]
        assert [one.exception() for one in ended] == [None] * 4
        assert len(list(folder.run_dir.iterdir())) == 20
        assert {path.read_bytes() for path in folder.run_dir.iterdir()} == {line}


def test_what_another_run_wrote_meanwhile_stays(bucket):
    """Where the store gives no MD5: the size is then another's, and the object as well."""
    mine = ObjectStorage(f"{bucket.address}/A")

    def overtaken(system, path):
        system.pipe_file(path, b"mine")
        bucket.write("A/album.json", b"the manifest of the other run")

    with pytest.raises(StoreAway, match="run this again"):
        mine._send("album.json", 4, "", overtaken)
    assert bucket.read("A/album.json") == b"the manifest of the other run"


@pytest.mark.parametrize("strategy", [Strategy.THREADS, Strategy.ASYNC, Strategy.DASK])
def test_batches_that_a_limit_cuts_are_whole_at_the_end(strategy, imgur, bucket, monkeypatch):
    make_limit(f"store-{strategy}", limit=20, rate=20)
    monkeypatch.setenv("IMGUR_RATE_LIMIT", f"store-{strategy}")
    monkeypatch.setenv("IMGUR_MAX_TASK_RUNS", "2")
    album = new_album(imgur, count=30, bytes=3000)
    assert len(mirror_album(album, strategy, 2).having(Outcome.DOWNLOADED)) == 30
    assert bucket.images(album) == contents(imgur, album)
    assert images_served(imgur, album) == 30


# Very large jobs


def report(bucket, job):
    keys = sorted(key for key in bucket.all(f"_many/{job}/") if key.endswith(".parquet"))
    tables = [pyarrow.parquet.read_table(BytesIO(bucket.read(key))) for key in keys]
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("strategy", Strategy)
def test_a_job_goes_to_the_store_with_its_reports(strategy, imgur, bucket, tmp_path):
    images = new_album(imgur, count=23, bytes=3000)
    album = new_album(imgur, count=3, bytes=3000)
    links = [f"{imgur}/{name}" for name in contents(imgur, images)]
    source = tmp_path / "links.txt"
    source.write_text("\n".join([*links[:12], album, *links[12:]]))

    found = mirror_many(str(source), strategy, 4, shard_size=10)

    assert (found.tally.shards, found.tally.downloaded) == (3, 26)
    rows = report(bucket, "links")
    assert len(rows) == 26
    for row in rows:
        body = bucket.read(f"{row['folder']}/{row['name']}")
        assert md5(body).hexdigest() == row["md5"]
    assert bucket.images(album) == contents(imgur, album)
    assert not [key for key in bucket.all() if "/.run-" in key]
    served = images_served(imgur, images) + images_served(imgur, album)
    assert mirror_many(str(source), strategy, 4, shard_size=10).tally.fetched == 0
    assert images_served(imgur, images) + images_served(imgur, album) == served == 26


def test_a_report_that_is_damaged_is_made_anew_without_fetching(imgur, bucket, tmp_path):
    images = new_album(imgur, count=6, bytes=3000)
    source = tmp_path / "links.txt"
    source.write_text("\n".join(f"{imgur}/{name}" for name in contents(imgur, images)))
    mirror_many(str(source), "async", 2)
    whole = bucket.read("_many/links/000000.parquet")
    bucket.write("_many/links/000000.parquet", whole[:-20] + bytes(20))

    assert mirror_many(str(source), "async", 2).tally.unchanged == 6
    assert images_served(imgur, images) == 6
    assert {row["outcome"] for row in report(bucket, "links")} == {"unchanged"}


@pytest.mark.parametrize("same_machine", [True, False])
def test_a_job_that_was_killed_goes_on(
    same_machine, imgur, bucket, tmp_path, prefect_server, monkeypatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    images = new_album(imgur, count=60, bytes=20_000)
    hold(imgur, images)
    source = tmp_path / "links.txt"
    source.write_text("\n".join(f"{imgur}/{name}" for name in contents(imgur, images)))
    command = [sys.executable, "-m", "flows.mirror_many", str(source), "--workers", "4"]
    run = subprocess.Popen(
        [*command, "--shard_size", "20"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert eventually(lambda: len(bucket.all("_many/links/")) >= 30)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    control(imgur, "DELETE", "faults")
    there = sum(key.endswith(".jpg") for key in bucket.all("_many/links/"))
    served = images_served(imgur, images)
    if not same_machine:
        for number in range(3):
            shutil.rmtree(scratch(f"{bucket.address}/_many/links/{number:06}"))

    found = mirror_many(str(source), "async", 4, shard_size=20)

    assert found.tally.downloaded + found.tally.unchanged == 60
    assert images_served(imgur, images) == served + 60 - there
    assert {row["outcome"] for row in report(bucket, "links")} <= {"downloaded", "unchanged"}


# Other flows, and other stores


def test_a_comparison_in_the_store(imgur, bucket):
    album = new_album(imgur, count=4, bytes=3000)
    found = compare_strategies(album, ["sequential", "threads"], 2)
    assert len(found.runs) == 2
    for strategy in ("sequential", "threads"):
        assert bucket.images(f"compare-strategies/{strategy}/{album}") == contents(imgur, album)
    assert f"_reports/{album}/comparison.md" in bucket.all("_reports")
    assert len(compare_strategies(album, ["threads"], 2).runs[0].having(Outcome.DOWNLOADED)) == 4


def test_a_comparison_at_the_root_of_a_bucket_compares_what_lies_there(imgur, bucket):
    album = new_album(imgur, count=2, bytes=3000)
    root = f"s3://{bucket.name}/"
    assert compare_strategies(album, ["sequential", "threads"], 2, downloads=root).runs
    folder = album_folder(f"{root}compare-strategies/threads", album)
    assert folder.digests() == contents(imgur, album)
    folder.erase()
    assert folder.files() == {}


def test_several_albums_in_the_store(imgur, bucket):
    albums = [new_album(imgur, count=2, bytes=3000) for _ in range(2)]
    assert all(result.error is None for result in mirror_albums(albums))
    assert all(bucket.images(album) == contents(imgur, album) for album in albums)


def test_a_folder_imports_nothing_of_what_an_address_needs(tmp_path):
    code = (
        "import sys; from imgur_mirror.download.requests_client import fetch_batch;"
        f"from imgur_mirror.store import album_folder; album_folder({str(tmp_path)!r}, 'A').files;"
        "print([name for name in ('fsspec', 's3fs', 'botocore') if name in sys.modules])"
    )
    assert python("-c", code, check=True).stdout == "[]\n"


def test_the_address_of_a_folder_is_that_folder(tmp_path):
    assert album_folder(f"file://{tmp_path}", "A") == album_folder(str(tmp_path), "A")


# What is wrong


def status(capsys, *arguments):
    return main(mirror_album, mirror_headline, [*arguments]), capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("gopher://x/y", "Protocol not known: gopher"),
        ("oss://bucket/mirror", "install that package"),
        ("s3://", "names no place"),
        ("sftp://me:secret@host/mirror", "set FSSPEC_SFTP_PASSWORD"),
        ("filesystem::s3://bucket/y", "names no place"),
        ("zip://x::s3://bucket/y.zip", "zip is no store"),
        ("http://127.0.0.1/bucket", "http is no store; give a folder, or an address such as s3://"),
        ("HTTPS://s3.example/bucket", "https is no store"),
        ("data://text/plain,x", "data is no store"),
        ("github://owner:repo@/mirror", "FSSPEC_GITHUB_PASSWORD"),
        ("github://owner/repo", "github is no store"),
        ("git://owner/repo", "git is no store"),
        ("simplecache://bucket/mirror", "simplecache is no store"),
        ("S3://bucket/mirror[1]", "which stand for other names too"),
        ("s3://me:the/secret@bucket/mirror", "set FSSPEC_S3_PASSWORD"),
        ("s3://bucket/mirror[1]", "which stand for other names too"),
    ],
)
def test_an_address_that_is_none_is_status_2(address, said, bucket, capsys, tmp_path):
    ended, error = status(capsys, "PdA9Amq", "--downloads", address)
    assert ended == 2
    assert said in error
    assert "secret" not in error
    assert error.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_what_an_address_begins_with_may_be_in_capitals(imgur, bucket, tmp_path):
    assert album_folder("S3://Bucket/Mirror", "A") == album_folder("s3://Bucket/Mirror", "A")
    assert album_folder(f"FILE://{tmp_path}", "A") == album_folder(str(tmp_path), "A")


def test_a_bucket_that_is_not_there_is_status_2(imgur, bucket, capsys):
    album = new_album(imgur, count=2, bytes=3000)
    ended, error = status(capsys, album, "--downloads", "s3://nobody-has-this/mirror")
    assert ended == 2
    assert "there is no bucket nobody-has-this: create it, or mend" in error
    assert images_served(imgur, album) == 0


def test_no_credentials_are_status_2(imgur, bucket, monkeypatch, capsys, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    ended, error = status(capsys, new_album(imgur, count=2, bytes=3000))
    assert ended == 2
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in error


def test_credentials_that_are_refused_are_status_2(imgur, bucket, proxy, capsys):
    answer = says("403 Forbidden", "InvalidAccessKeyId", "the key does not exist")
    proxy.refused, proxy.answer, proxy.times = b"/", answer, 1000
    ended, error = status(capsys, new_album(imgur, count=2, bytes=3000))
    assert ended == 2
    assert "refuses the credentials: the key does not exist" in error


def test_credentials_that_may_not_write_end_the_run_at_once(imgur, bucket, proxy, capsys):
    album = new_album(imgur, count=40, bytes=3000)
    answer = says("403 Forbidden", "AccessDenied", "no s3:PutObject")
    proxy.refused, proxy.answer, proxy.times = b"PUT ", answer, 1000
    ended, error = status(capsys, album, "--strategy", "threads", "--workers", "2")
    assert ended in (1, 2)
    assert "no s3:PutObject" in error
    assert bucket.all(album) == []


def test_a_store_that_nobody_answers_for_is_status_1(imgur, bucket, monkeypatch, capsys):
    monkeypatch.setitem(fsspec.config.conf, "s3", FEW_TRIES)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    ended, error = status(capsys, new_album(imgur, count=2, bytes=3000))
    assert ended == 1
    assert "does not answer as it should" in error
    assert "run this again" in error


def test_scratch_that_others_can_write_to_is_refused(imgur, bucket, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    root = tmp_path / f"imgur-mirror-{os.getuid()}"
    root.mkdir()
    root.chmod(0o777)
    ended, error = status(capsys, new_album(imgur, count=2, bytes=3000))
    assert ended == 1
    assert f"{root} is not this user's alone" in error
