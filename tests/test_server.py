"""A server of one's own: shared by what runs on its home, gone with the last of it, or refused."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager

import httpx
import psutil
import pytest

from flows.cli.server import PROJECT, ServerError, prefect_server, running_server
from imgur_mirror.models import Strategy
from tests.support.imgur import environment, fault, new_album, put
from tests.support.processes import free_port, python
from tests.support.waiting import LONG, eventually

pytestmark = pytest.mark.slow


def bare(**more):
    """The environment without what leads to the server of the tests."""
    return {name: text for name, text in os.environ.items() if "PREFECT" not in name} | more


USE = """
import sys
from pathlib import Path
from flows.cli.server import prefect_server
with prefect_server(Path(sys.argv[1]), int(sys.argv[2])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def user(home, port, **more):
    """A process that uses the server of a home until its input ends, or it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", USE, home, str(port)],
        cwd=PROJECT,
        env=bare(**more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_up(url):
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=LONG).is_success
    except httpx.TransportError:
        return False


def test_a_server_is_shared_and_ends_with_the_last_of_its_users(new_home, tmp_path):
    """Whoever started it, and however they end."""
    home, port = new_home(tmp_path), free_port()
    with user(home, port) as one, user(home, port) as other:
        urls = {process.stdout.readline().strip() for process in (one, other)}
        assert urls == {f"http://127.0.0.1:{port}/api"}
        (url,) = urls
        one.kill()
        one.wait()
        assert not eventually(lambda: not is_up(url), seconds=3)
        with user(home, port) as third:
            assert third.stdout.readline().strip() == url
            other.stdin.close()
            assert other.wait(LONG) == 0
            assert running_server(home) == url
            third.kill()
        assert eventually(lambda: not is_up(url))
    assert running_server(home) is None
    # Another program may listen there by now.
    with socket.create_server(("127.0.0.1", port)):
        assert running_server(home) is None


def test_a_server_that_ends_at_once_is_said_with_its_log(tmp_path, monkeypatch, capsys):
    """And it was said what was waited for."""
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense")
    monkeypatch.setattr("flows.cli.server.REPORT_EVERY_SECONDS", 0)
    with pytest.raises(ServerError, match=r"server\.log"), prefect_server(tmp_path):
        pass
    assert "Waiting for a Prefect server" in capsys.readouterr().err


def test_a_database_of_the_profile_is_used_by_a_server_with_another_home(new_home, tmp_path):
    """And another port than the preferred one, where that is taken."""
    home, other = new_home(tmp_path / "home"), tmp_path / "other"
    database = (home / "prefect.db").rename(tmp_path / "mine.db")
    (home / "profiles.toml").write_text(
        'active = "mine"\n\n[profiles.mine]\n'
        f'PREFECT_SERVER_DATABASE_CONNECTION_URL = "sqlite+aiosqlite:///{database}"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with user(other, port, PREFECT_HOME=str(home)) as process:
            url = process.stdout.readline().strip()
            assert url != f"http://127.0.0.1:{port}/api"
            httpx.post(f"{url}/flows/", json={"name": "recorded"}, trust_env=False, timeout=LONG)
            process.stdin.close()
            assert process.wait(LONG) == 0
    assert not is_up(url)
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("SELECT name FROM flow").fetchall() == [("recorded",)]
    assert list(other.glob("*.db")) == []


@pytest.fixture(scope="module")
def guarded(new_home, tmp_path_factory):
    """The address of a server that asks for a password, which is a:b."""
    home = new_home(tmp_path_factory.mktemp("guarded"))
    passwords = {"PREFECT_SERVER_API_AUTH_STRING": "a:b", "PREFECT_API_AUTH_STRING": "a:b"}
    with user(home, free_port(), **passwords) as process:
        yield process.stdout.readline().strip()


COMMANDS = [
    ("flows.mirror_album", "PdA9Amq"),
    ("deployments.notify", "slack-webhook/ops"),
    ("deployments.watch",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("password", [None, "a:c"])
def test_a_server_that_asks_for_a_password_is_one_sentence(command, password, guarded, downloads):
    given = {"PREFECT_API_AUTH_STRING": password} if password else {}
    ran = python("-m", *command, env={"PREFECT_API_URL": guarded, **given})
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert "PREFECT_API_AUTH_STRING" in ran.stderr


def test_the_right_password_opens(guarded, imgur, downloads):
    album = new_album(imgur, count=1, bytes=3000)
    given = {"PREFECT_API_URL": guarded, "PREFECT_API_AUTH_STRING": "a:b"}
    assert python("-m", "flows.mirror_album", album, env=given).returncode == 0


@pytest.mark.parametrize("mistake", ["no path", "no scheme", "not Prefect's"])
def test_an_address_that_is_no_api_is_one_sentence(mistake, prefect_server, imgur, downloads):
    wrong = {
        "no path": prefect_server.removesuffix("/api"),
        "no scheme": prefect_server.removeprefix("http://"),
        "not Prefect's": f"{imgur}/api",
    }
    ran = python("-m", "flows.mirror_album", "PdA9Amq", env={"PREFECT_API_URL": wrong[mistake]})
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert "mend PREFECT_API_URL" in ran.stderr


REFUSES = "http://127.0.0.1:1"


@pytest.mark.parametrize("strategy", Strategy)
def test_what_is_on_this_machine_is_not_asked_through_a_proxy(
    strategy, prefect_server, imgur, downloads
):
    """By the command, Prefect's clients, the downloads, and the processes that they start."""
    album = new_album(imgur, count=3, bytes=3000)
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    proxy = {name: REFUSES for known in names for name in (known, known.lower())}
    arguments = (album, "--strategy", strategy, "--workers", "2")
    ran = python("-m", "flows.mirror_album", *arguments, env=proxy)
    assert ran.returncode == 0, ran.stderr


SETTINGS = """
import json, sys
exec(sys.argv[1])
import flows.mirror_album
from prefect.settings import get_current_settings
print(json.dumps(get_current_settings().to_environment_variables(exclude_unset=True)))
"""


def bare_python(*arguments, folder=PROJECT, **more):
    """Run Python in a folder, where no server is known to it."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=bare(**more),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )


def settings_in(folder, *, before="", **more):
    ran = bare_python("-c", SETTINGS, before, folder=folder, **more)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("before", ["", "import prefect.context"])
def test_the_settings_are_the_same_in_every_folder(before, tmp_path):
    there = settings_in(PROJECT)
    assert there["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "120"
    assert settings_in(tmp_path, before=before) == there


def test_what_is_set_in_another_folder_holds_there(tmp_path):
    (tmp_path / ".env").write_text("PREFECT_CLIENT_MAX_RETRIES=3\n")
    found = settings_in(tmp_path, PREFECT_WORKER_QUERY_SECONDS="7")
    assert found["PREFECT_CLIENT_MAX_RETRIES"] == "3"
    assert found["PREFECT_WORKER_QUERY_SECONDS"] == "7.0"
    (tmp_path / "prefect.toml").write_text("[client]\nmax_retries = 4\n")
    (tmp_path / ".env").unlink()
    assert settings_in(tmp_path)["PREFECT_CLIENT_MAX_RETRIES"] == "4"


CALLS = ("flows.mirror_album", "flows.compare_strategies", "flows.mirror_albums")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("fault", "settings", "status", "said"),
    [
        ({"kind": "not-found"}, {}, 1, "check the address"),
        ({"kind": "bad-client"}, {}, 2, "set IMGUR_CLIENT_ID"),
        (None, {"IMGUR_API_URL": "http://127.0.0.1:1/"}, 1, "the Imgur API is not available"),
    ],
    ids=["wrong album", "refused id", "unreachable"],
)
def test_what_the_api_refuses_is_said_before_a_server_starts(
    call, fault, settings, status, said, imgur, downloads, tmp_path
):
    album = new_album(imgur, count=1, bytes=3000)
    if fault:
        put(imgur, "api-faults", {"path": f"album/{album}", "times": None, **fault})
    settings = environment(imgur) | settings | {"PREFECT_HOME": str(tmp_path / "home")}
    ran = bare_python("-m", call, album, **settings)
    assert ran.returncode == status
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith(f"album {album}: ")
    assert ran.stderr.count(said) == 1
    assert not (tmp_path / "home" / "server.log").exists()


def test_a_command_with_a_server_of_its_own_asks_the_api_once(imgur, downloads, new_home, tmp_path):
    """What it asked for before it started the server is what its run begins with."""
    album, home = new_album(imgur, count=1, bytes=3000), new_home(tmp_path / "home")
    again = {"path": f"album/{album}", "kind": "not-found", "skip": 1, "times": None}
    put(imgur, "api-faults", again)
    ran = bare_python("-m", "flows.mirror_album", album, PREFECT_HOME=str(home))
    assert ran.returncode == 0, ran.stderr
    assert (home / "server.log").exists()
    assert running_server(home) is None


SCRIPT = """
from flows.mirror_album import mirror_album
mirror_album({album!r}, "dask", 2)
"""


def test_a_script_that_dask_would_run_again_is_told_so(imgur, prefect_server, downloads, tmp_path):
    album = new_album(imgur, count=2, bytes=3000)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(album=album))
    ran = python(script)
    assert ran.returncode == 1
    assert 'if __name__ == "__main__":' in ran.stderr.splitlines()[-1]
    assert "Nanny" not in ran.stderr
    guarded = SCRIPT.format(album=album).replace("\nmirror", '\nif __name__ == "__main__": mirror')
    script.write_text(guarded)
    assert python(script).returncode == 0


@pytest.fixture
def stalled(imgur):
    """An album whose images never come."""
    album = new_album(imgur, count=4, bytes=3000)
    for image in put(imgur, f"albums/{album}", {"count": 4, "bytes": 3000}):
        fault(imgur, image["id"], "stall", times=None)
    return album


@contextmanager
def stuck(album, strategy, log):
    """A command that has begun to download, and gets nothing."""
    command = ["-m", "flows.mirror_album", album, "--strategy", strategy, "--workers", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *command], cwd=PROJECT, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_no_process_of_a_cluster_outlives_a_run_that_is_killed(
    stalled, prefect_server, downloads, tmp_path
):
    with stuck(stalled, "dask", tmp_path / "log") as process:
        run = psutil.Process(process.pid)
        # The fork server, the tracker of resources, and two workers.
        assert eventually(lambda: len(run.children(recursive=True)) >= 4)
        children = run.children(recursive=True)
        process.kill()
        process.wait()
        assert psutil.wait_procs(children, LONG)[1] == []


@pytest.mark.parametrize("strategy", [Strategy.SEQUENTIAL, Strategy.DASK, Strategy.ASYNC])
def test_a_command_that_is_stopped_says_so_last(
    strategy, stalled, prefect_server, downloads, tmp_path
):
    log = tmp_path / "log"
    with stuck(stalled, strategy, log) as process:
        assert eventually(lambda: "listed " in log.read_text())
        before = log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 128 + signal.SIGTERM
    said = log.read_text().removeprefix(before).splitlines()
    assert said[-1].startswith("stopped; what was finished is kept")
    assert not any("Exception" in line for line in said)
    # One that crashes in the instant of the signal may still say so; the run itself does not.
    assert not any("Flow run" in line and "Crash detected" in line for line in said)
