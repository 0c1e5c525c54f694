"""The command `imgur-mirror`: its help, its exit status and what it prints to whom."""

import inspect
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from prefect.utilities.callables import parameter_schema

from deployments.command import FLOWS
from flows.cli.arguments import call, new_app
from flows.cli.signature import signature_of
from tests.support.imgur import contents, fault, new_album
from tests.support.processes import python

COMMAND = str(Path(sys.executable).with_name("imgur-mirror"))


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "deployments.command", *arguments, env=environment)


def test_the_command_is_installed():
    said = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "0.1.0"


@pytest.mark.parametrize("arguments", [["--help"], ["album", "--help"], ["up", "--help"], ["-h"]])
def test_help_needs_no_prefect(arguments):
    script = (
        "import sys; from deployments.command import main; status = main(sys.argv[1:]);"
        "print(sorted({'prefect', 'pydantic', 'aiohttp', 'requests'} & set(sys.modules)), status)"
    )
    ran = python("-c", script, *arguments)
    assert ran.stdout.splitlines()[-1] == "[] 0", ran.stderr
    assert "Usage: imgur-mirror" in ran.stdout


@pytest.mark.parametrize("name", FLOWS)
def test_a_subcommand_has_the_parameters_of_its_flow(name):
    """As the run form has them: names, order and defaults."""
    module, _ = FLOWS[name]
    schema = parameter_schema(getattr(import_module(module), module.rpartition(".")[2]))
    stub = inspect.signature(signature_of(module)).parameters
    assert list(stub) == list(schema.properties)
    for parameter, field in schema.properties.items():
        assert stub[parameter].default == field.get("default", inspect.Parameter.empty)
        words = " ".join(field["description"].split())[:30]
        assert words in " ".join((signature_of(module).__doc__ or "").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], 'Unknown command "nothing"'),
        (["album"], "album"),
        (["album", "PdA9Amq", "--strategy", "fast"], '"threads"'),
        (["album", "PdA9Amq", "--workers", "many"], "--workers"),
        (["album", "PdA9Amq", "--workers", "0"], "workers"),
        (["album", "PdA9Amq", "--fast"], "--fast"),
        (["album", "no album at all"], "imgur.com/a/ID"),
        (["many", "/nowhere.txt"], "/nowhere.txt"),
        (["up", "no album at all"], "imgur.com/a/ID"),
        (["notify"], "block"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_status_2(arguments, said, downloads):
    ran = command(*arguments)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert said in ran.stderr


def test_a_work_has_two_names():
    app = new_app("compare", "")
    app.default(signature_of("flows.compare_strategies"))
    asked = call(app, ["PdA9Amq", "--work", "none", "decode", "hash"])["work"]
    assert asked == call(app, ["PdA9Amq", "--work", "none", "thumbnail", "blurhash"])["work"]


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
class TestOutput:
    """What a run prints, to a pipe and to a terminal."""

    def test_a_pipe_gets_plain_lines(self, imgur, downloads):
        album = new_album(imgur, count=3, bytes=3000)
        ran = command("album", album)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(f"{album}: 3 downloaded")
        listed, fetched = ran.stderr.splitlines()
        assert listed.startswith("listed 3 images")
        assert fetched.startswith("fetched 3 images")
        assert {path.name for path in (downloads / album).iterdir()} == {
            *contents(imgur, album),
            "album.json",
        }

    def test_all_of_the_log_is_printed_on_request(self, imgur, downloads):
        ran = command("album", new_album(imgur, count=1, bytes=3000), "-v")
        assert "Beginning flow run" in ran.stderr
        assert "| INFO " in ran.stderr

    @pytest.mark.parametrize("flag", ["-q", "--quiet"])
    def test_only_the_result_is_printed_on_request(self, flag, imgur, downloads):
        ran = command("album", new_album(imgur, count=1, bytes=3000), flag)
        assert ran.stderr == ""
        assert len(ran.stdout.splitlines()) == 1

    def test_what_is_missing_is_said_in_all_of_them(self, imgur, downloads):
        album = new_album(imgur, count=3, bytes=3000)
        name = next(iter(contents(imgur, album)))
        fault(imgur, name, "status", status=403)
        for flags in ([], ["-q"], ["-v"]):
            ran = command("album", album, *flags)
            assert ran.returncode == 1
            assert name in ran.stderr.splitlines()[-1]
            assert ran.stdout == ""

    def test_a_person_sees_a_bar_and_one_closing_line(self, imgur, downloads):
        album = new_album(imgur, count=3, bytes=3000)
        said = in_a_terminal("album", album)
        assert "3/3" in said
        assert "listed 3 images" not in said
        assert re.search(rf"^\S*{album}: 3 downloaded .*$", said.splitlines()[-1])
        assert "3/3" not in in_a_terminal("album", album, "--verify", "-q")


def in_a_terminal(*arguments: str) -> str:
    """Run the command in a terminal of its own, and give all that it printed there."""
    ours, theirs = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-m", "deployments.command", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # the terminal is gone with the last who has it open
        while read := os.read(ours, 4096):
            said += read
    os.close(ours)
    assert ran.wait() == 0
    return said.decode()
