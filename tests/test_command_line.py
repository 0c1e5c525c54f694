"""The flows from the shell: exit status 0, 1 or 2, and a sentence that says what to do."""

import re
import subprocess

import pytest

from flows.cli.command_line import main
from flows.compare_strategies import compare_strategies
from flows.mirror_album import mirror_album
from flows.mirror_albums import mirror_albums
from imgur_mirror.models import Strategy
from imgur_mirror.report import mirror_headline
from tests.support.imgur import NO_ALBUM, contents, new_album, put
from tests.support.processes import python

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "flows.mirror_album", *arguments, env=environment)


@pytest.mark.parametrize("strategy", Strategy)
def test_all_there_is_status_0(strategy, imgur, downloads):
    album = new_album(imgur, count=3, bytes=3000)
    ran = shell(album, "--strategy", strategy, "--workers", "2")
    assert ran.returncode == 0
    assert f"{album}: 3 downloaded" in ran.stdout
    # One line a phase, not one an image.
    assert not any(name in ran.stderr for name in contents(imgur, album))


def test_what_went_wrong_is_said_last(imgur, downloads):
    """And not that Prefect's last events are still on their way."""
    ran = shell(NO_ALBUM)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith(f"album {NO_ALBUM}: Imgur has no such thing")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["no album at all"], {}, "imgur.com/a/ID"),
        (["PdA9Amq", "--workers", "0"], {}, "workers"),
        (["PdA9Amq", "--workers", "many"], {}, "workers"),
        (["PdA9Amq"], {"IMGUR_RETRIES": "many"}, "IMGUR_RETRIES"),
        (["PdA9Amq"], {"IMGUR_IMAGE_HOSTS": "i.imgur.com"}, "JSON list"),
    ],
)
def test_a_wrong_call_or_setting_is_status_2(
    arguments, environment, said, downloads, monkeypatch, capsys
):
    """Told before anything is started, with what to mend."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert status(arguments) == 2
    assert said in capsys.readouterr().err


def status(arguments: list[str]) -> int:
    try:
        return main(mirror_album, mirror_headline, arguments)
    except SystemExit as refused:
        return int(str(refused.code))


@pytest.mark.parametrize("arguments", [["PdA9Amq", "--strategy", "fast"], [], ["a", "b"]])
def test_arguments_that_are_none_are_status_2(arguments, downloads, capsys):
    assert status(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "flow", [mirror_album, mirror_albums, compare_strategies], ids=lambda flow: flow.name
)
def test_help_says_what_may_be_chosen(flow, capsys):
    assert main(flow, mirror_headline, ["--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(str(strategy) in said for strategy in Strategy)
    assert re.search(r"--workers INT .*\[default: \d+; 1 to 256\]", said)


@pytest.mark.parametrize(
    "flow", [mirror_album, mirror_albums, compare_strategies], ids=lambda flow: flow.name
)
def test_the_placeholder_of_a_client_id_is_status_2(flow, downloads, monkeypatch, capsys):
    monkeypatch.setenv("IMGUR_CLIENT_ID", "…")
    assert main(flow, mirror_headline, ["PdA9Amq"]) == 2
    assert "IMGUR_CLIENT_ID: this is the placeholder" in capsys.readouterr().err


@pytest.mark.parametrize("flow", [mirror_album, compare_strategies], ids=lambda flow: flow.name)
def test_a_collection_is_no_album_and_status_2(flow, downloads, capsys):
    assert main(flow, mirror_headline, ["imgur.com/t/cats"]) == 2
    assert "imgur-mirror albums 'https://imgur.com/t/cats'" in capsys.readouterr().err


FORESEEN = {
    "an image that is refused": {"kind": "status", "status": 403},
    "an image that fails again and again": {"kind": "status", "status": 503, "times": None},
    "an image whose connection breaks": {"kind": "reset", "times": None},
}


@pytest.mark.parametrize(
    ("case", "strategy"),
    [
        *((list(FORESEEN)[-1], strategy) for strategy in Strategy),
        *((case, Strategy.DASK) for case in list(FORESEEN)[:-1]),
    ],
)
def test_a_failed_image_is_one_sentence(case, strategy, imgur, downloads):
    album = new_album(imgur, count=3, bytes=3000)
    name = next(iter(contents(imgur, album)))
    put(imgur, f"faults/{name.partition('.')[0]}", FORESEEN[case])
    ran = shell(album, "--strategy", strategy, "--workers", "2", IMGUR_RETRIES="1")
    assert ran.returncode == 1
    assert_one_sentence(ran.stderr, f"{album}: 1 of 3 images failed: {name} (")
    assert ran.stderr.count(name) == 1
    assert ("Run it again" in ran.stderr) == ("refused" not in case)


@pytest.mark.parametrize("kind", ["not-found", "reset", "over-capacity", "success-null"])
def test_an_album_that_the_api_refuses_is_one_sentence(kind, imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    put(imgur, "api-faults", {"path": f"album/{album}", "times": None, "kind": kind})
    ran = shell(album, IMGUR_RETRIES="1")
    assert ran.returncode == 1
    assert_one_sentence(ran.stderr, f"album {album}: ")


def test_a_host_that_is_away_is_named_without_the_library_s_words(imgur, downloads):
    ran = shell("PdA9Amq", IMGUR_RETRIES="0", IMGUR_API_URL="http://127.0.0.1:1")
    assert ran.returncode == 1
    assert_one_sentence(ran.stderr, "album PdA9Amq: the Imgur API is not available ([Errno 111]")


def assert_one_sentence(said: str, sentence: str) -> None:
    """The last line alone is of a failure; the others, one a phase, say what is done."""
    *phases, last = said.splitlines()
    assert last.startswith(sentence)
    # Under Dask, Prefect may warn that it is still sending events.
    assert all(re.match(r"[\d:.]+ \| (INFO|WARNING) ", line) for line in phases), said
    assert said.count(sentence) == 1
    assert "Failed(" not in said
    assert "Pool(" not in said
    assert len(phases) <= 14


def test_a_wrong_call_is_said_in_one_line(downloads):
    """Prefect's own account of it, with all the parameters, does not come before."""
    ran = shell("PdA9Amq", "--workers", "0")
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        "wrong call: workers: Input should be greater than or equal to 1"
    ]


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"kind": "not-found"}, 1, "check the address"),
        ({"kind": "bad-client"}, 2, "set IMGUR_CLIENT_ID"),
        ({"kind": "no-credentials"}, 2, "set IMGUR_CLIENT_ID"),
        ({"kind": "over-capacity"}, 1, "again"),
        ({"kind": "rate-limited"}, 1, "again"),
        ({"kind": "rate-limited-old", "inside": 500}, 1, "again"),
        ({"kind": "nested", "status": 429}, 1, "again"),
        ({"kind": "success-empty"}, 1, "browser"),
        ({"kind": "success-null"}, 1, "browser"),
        ({"kind": "success-string"}, 1, "again"),
        ({"kind": "html", "status": 200}, 1, "again"),
        ({"kind": "html", "status": 503}, 1, "again"),
        ({"kind": "reset"}, 1, "again"),
        ({"kind": "wrong-types"}, 1, "browser"),
        ({"kind": "nesting", "depth": 100_000}, 1, "browser"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_each_error_of_the_api_says_what_to_do(fault, code, said, imgur, downloads, capsys):
    album = new_album(imgur, count=1, bytes=3000)
    put(imgur, "api-faults", {"path": f"album/{album}", "times": None, **fault})
    put(imgur, "api-faults", {"path": f"album/{album}/images", "times": None, **fault})
    assert status([album]) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert album in last
    assert said in last
