"""How far a run is, read from its journals while they are written, and shown in Prefect."""

import secrets
import socket
import threading
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.support.progress import show_progress
from imgur_mirror.download.batch import Batch
from imgur_mirror.download.plan import Plan
from imgur_mirror.download.progress import Progress
from imgur_mirror.models import ByteRange, Download, Image, Outcome
from imgur_mirror.store import album_folder
from tasks.artifact_key import artifact_key
from tests.support.prefect_api import artifacts
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").start_run() as mine:
        yield mine


def row(key, outcome=Outcome.DOWNLOADED, **known):
    received = 100 if outcome is Outcome.DOWNLOADED else 0
    return Download(id=key, name=f"{key}.jpg", outcome=outcome, received=received, **known)


def append(folder, batch, download):
    with closing(folder.run_state.journal(batch)) as journal:
        journal.append(download)


def seen(progress):
    progress.read()
    return progress.images, progress.bytes


def test_nothing_is_done_at_first(folder):
    assert seen(Progress(folder)) == (0, 0)


def test_each_look_takes_in_what_has_come(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a"))
    assert seen(progress) == (1, 100)
    folder.run_state.journal("00000").append(row("b"))
    folder.run_state.journal("00001").append(row("c"))
    assert seen(progress) == (3, 300)
    assert seen(progress) == (3, 300)


def test_every_outcome_is_done_but_only_downloads_have_bytes(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a", Outcome.GONE))
    folder.run_state.journal("00000").append(row("b", Outcome.UNCHANGED))
    folder.run_state.journal("00000").append(row("c", Outcome.FAILED))
    assert seen(progress) == (3, 0)
    assert progress.succeeded == 2
    assert progress.text(4) == "2 of 4 images, 0 bytes, 1 failed"


def test_an_image_that_came_after_all_has_not_failed(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a", Outcome.FAILED))
    folder.run_state.journal("00000").append(row("a"))
    assert seen(progress) == (1, 100)
    assert progress.text(1) == "1 of 1 image, 100 bytes"


@pytest.mark.parametrize(
    "line", [b"1", b"[]", b"null", b'"a"', b"{}", b'{"id": "a"}', b"\xff", b"[" * 100_000]
)
def test_a_line_of_something_else_counts_for_nothing(folder, line):
    folder.run_state.journal("00000").path.write_bytes(line + b"\n")
    assert seen(Progress(folder)) == (0, 0)


def test_what_is_tried_again_is_not_done(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a", Outcome.FAILED, retryable=True))
    assert seen(progress) == (0, 0)
    folder.run_state.journal("00000").append(row("a"))
    assert seen(progress) == (1, 100)


def test_a_line_that_is_being_written_waits_for_its_end(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a"))
    whole = folder.run_state.journal("00000").path.read_bytes()
    for end in range(len(whole)):
        folder.run_state.journal("00000").path.write_bytes(whole[:end])
        assert seen(progress) == (0, 0)
    folder.run_state.journal("00000").path.write_bytes(whole)
    assert seen(progress) == (1, 100)


def test_a_line_that_was_cut_short_stops_nothing(folder):
    progress = Progress(folder)
    with folder.run_state.journal("00000").path.open("ab") as journal:
        journal.write(b'{"id": "a", "na')
    assert seen(progress) == (0, 0)
    folder.run_state.journal("00000").append(row("b"))
    assert seen(progress) == (1, 100)


def test_the_journals_of_other_runs_do_not_count(folder):
    with album_folder(str(folder.local_dir.parent), "album").start_run() as other:
        other.run_state.journal("00000").append(row("a"))
        assert seen(Progress(folder)) == (0, 0)


def test_a_run_whose_folder_is_gone_is_no_error(folder):
    progress = Progress(folder)
    folder.run_state.journal("00000").append(row("a"))
    assert seen(progress) == (1, 100)
    folder.erase()
    assert seen(progress) == (1, 100)


# The artifact


def planned(*keys):
    pieces = tuple(ByteRange(Image(id=key, link="", name=f"{key}.jpg")) for key in keys)
    return Plan((Batch("00000", pieces),), ())


@pytest.fixture
def named(tmp_path):
    """The folder of an album of its own, so that its artifact is."""
    with album_folder(str(tmp_path), secrets.token_hex(4)).start_run() as mine:
        yield mine


def shown(api, folder):
    """The artifact's percentage and words; None while there is none."""
    found = artifacts(api, f"progress-{artifact_key(folder.name)}")
    assert len(found) <= 1
    return (found[0]["data"], found[0]["description"]) if found else None


def awaited(api, folder, what):
    assert eventually(lambda: shown(api, folder) == what), shown(api, folder)


def test_the_artifact_follows_a_run_to_its_end(named, prefect_server):
    @flow
    def downloading():
        with show_progress(planned("a", "b", "c"), named, "title"):
            append(named, "00000", row("a"))
            awaited(prefect_server, named, (33.3, "1 of 3 images, 100 bytes"))
            append(named, "00000", row("b"))
            awaited(prefect_server, named, (66.7, "2 of 3 images, 200 bytes"))
            append(named, "00000", row("c", Outcome.GONE))

    downloading()
    assert shown(prefect_server, named) == (100.0, "3 of 3 images, 200 bytes")


def test_the_artifact_of_a_run_that_lacks_something_does_not_end_at_100(named, prefect_server):
    @flow
    def downloading():
        with show_progress(planned("a", "b"), named, "title"):
            awaited(prefect_server, named, (0.0, "0 of 2 images, 0 bytes"))
            append(named, "00000", row("a"))
            append(named, "00000", row("b", Outcome.FAILED))

    downloading()
    assert shown(prefect_server, named) == (50.0, "1 of 2 images, 100 bytes, 1 failed")


def test_a_short_run_asks_nothing_of_the_server(named, prefect_server):
    @flow
    def downloading():
        with show_progress(planned("a"), named, "title"):
            append(named, "00000", row("a"))

    downloading()
    assert shown(prefect_server, named) is None


@contextmanager
def cable(api):
    """The same API at another address, and an event: while it is not set, nothing comes through."""
    plugged = threading.Event()
    plugged.set()
    server = (urlsplit(api).hostname, urlsplit(api).port)
    ends = []

    def carry(source, target):
        with suppress(OSError):
            while block := source.recv(1 << 16):
                plugged.wait()
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def accept(listener):
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(server)
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{urlsplit(api).path}", plugged
        plugged.set()
    for end in ends:
        end.close()


def test_a_server_that_does_not_answer_holds_up_no_run(named, prefect_server):
    """The API hangs from the middle of the downloads on, and is back after them."""
    with cable(prefect_server) as (api, plugged):

        @flow
        def downloading():
            with show_progress(planned("a"), named, "title"):
                awaited(prefect_server, named, (0.0, "0 of 1 image, 0 bytes"))
                plugged.clear()
                append(named, "00000", row("a"))
            assert not plugged.is_set()
            plugged.set()
            return "done"

        with temporary_settings({PREFECT_API_URL: api}):
            assert downloading() == "done"
