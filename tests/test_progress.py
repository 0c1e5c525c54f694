"""How far a run is, read from its journals while they are written."""

import pytest

from imgur_mirror.models import Download, Outcome
from imgur_mirror.progress import Progress
from imgur_mirror.store import album_folder


@pytest.fixture
def folder(tmp_path):
    with album_folder(str(tmp_path), "album").opened() as mine:
        yield mine


def row(key, outcome=Outcome.DOWNLOADED, **known):
    received = 100 if outcome is Outcome.DOWNLOADED else 0
    return Download(id=key, name=f"{key}.jpg", outcome=outcome, received=received, **known)


def seen(progress):
    progress.read()
    return progress.images, progress.bytes


def test_nothing_is_done_at_first(folder):
    assert seen(Progress(folder)) == (0, 0)


def test_each_look_takes_in_what_has_come(folder):
    progress = Progress(folder)
    folder.append("00000", row("a"))
    assert seen(progress) == (1, 100)
    folder.append("00000", row("b"))
    folder.append("00001", row("c"))
    assert seen(progress) == (3, 300)
    assert seen(progress) == (3, 300)


def test_every_outcome_is_done_but_only_downloads_have_bytes(folder):
    progress = Progress(folder)
    folder.append("00000", row("a", Outcome.GONE))
    folder.append("00000", row("b", Outcome.UNCHANGED))
    folder.append("00000", row("c", Outcome.FAILED))
    assert seen(progress) == (3, 0)


def test_what_is_tried_again_is_not_done(folder):
    progress = Progress(folder)
    folder.append("00000", row("a", Outcome.FAILED, passing=True))
    assert seen(progress) == (0, 0)
    folder.append("00000", row("a"))
    assert seen(progress) == (1, 100)


def test_a_line_that_is_being_written_waits_for_its_end(folder):
    progress = Progress(folder)
    folder.append("00000", row("a"))
    whole = folder.journal("00000").read_bytes()
    for end in range(len(whole)):
        folder.journal("00000").write_bytes(whole[:end])
        assert seen(progress) == (0, 0)
    folder.journal("00000").write_bytes(whole)
    assert seen(progress) == (1, 100)


def test_a_line_that_was_cut_short_stops_nothing(folder):
    progress = Progress(folder)
    with folder.journal("00000").open("ab") as journal:
        journal.write(b'{"id": "a", "na')
    assert seen(progress) == (0, 0)
    folder.append("00000", row("b"))
    assert seen(progress) == (1, 100)


def test_the_journals_of_other_runs_do_not_count(folder):
    with album_folder(str(folder.path.parent), "album").opened() as other:
        other.append("00000", row("a"))
        assert seen(Progress(folder)) == (0, 0)


def test_a_run_whose_folder_is_gone_is_no_error(folder):
    progress = Progress(folder)
    folder.append("00000", row("a"))
    assert seen(progress) == (1, 100)
    folder.erase()
    assert seen(progress) == (1, 100)
