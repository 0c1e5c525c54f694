"""A command that is told to stop, whatever keeps it from its end."""

import signal
import subprocess
import sys

import pytest

from flows.cli import stopping
from tests.support.processes import PROJECT, python

LONG = 60

COMMAND = """
import os, sys, threading, time
from flows.cli import stopping

stopping.GRACE_SECONDS = {grace}

def told():
    os.kill(os.getpid(), {number})
    time.sleep({LONG})

def heard():
    while not any(watch.number for watch in stopping._watches):
        time.sleep(0.01)
    # The watch goes on a moment later.
    time.sleep(0.1)

try:
    with stopping.stoppable():
{within}
except stopping.Stopped as stopped:
    print(stopped, file=sys.stderr, flush=True)
    {after}
    sys.exit(stopped.status)
time.sleep({grace} + 1)
print("lived on")
"""

ENDS = "told()"
HANGS = "try: told()\nfinally: time.sleep(60)"
FAILS = "try: told()\nfinally: raise ValueError"
SWALLOWS = "try: told()\nexcept BaseException: pass"
THREAD = "threading.Thread(target=time.sleep, args=[60]).start()"


# Python calls it where nothing can be raised, and so drops the signal's exception.
CALLBACK = """
import weakref
class Kept: pass
kept = Kept()
link = weakref.ref(kept, lambda _: told())
del kept
time.sleep(60)
"""
AGAIN = "try: told()\nfinally:\n    heard()\n    told()"

# Seconds until a command is ended by force that hangs; one that ends by itself has time for it.
SHORT, ENOUGH = 1, 5


def run(number=signal.SIGINT, within=ENDS, after="pass", stderr=subprocess.PIPE, grace=ENOUGH):
    lines = "\n".join(f"        {line}" for line in within.splitlines())
    code = COMMAND.format(number=int(number), LONG=LONG, within=lines, after=after, grace=grace)
    return subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=LONG - 10,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "how",
    [
        {"within": ENDS},
        {"within": HANGS, "grace": SHORT},
        {"within": FAILS},
        {"after": THREAD},
        {"within": AGAIN},
        {"within": CALLBACK, "grace": SHORT},
    ],
    ids=[
        "ends",
        "hangs",
        "fails otherwise",
        "hangs at its end",
        "is told again",
        "is in a callback",
    ],
)
def test_it_ends_and_says_so_once(number, how):
    ran = run(number, **how)
    assert ran.returncode == 128 + number, ran.stderr
    assert ran.stderr.splitlines() == [str(stopping.Stopped(number))]


def test_it_ends_where_nobody_reads_what_it_says():
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        reader.wait()
        assert run(within=HANGS, stderr=reader.stdin, grace=SHORT).returncode == 130


@pytest.mark.parametrize("within", ["pass", SWALLOWS])
def test_a_command_that_is_done_is_left_alone(within):
    ran = run(within=within)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "lived on\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_does_not_go_on_where_the_signal_was_kept(number):
    ran = run(number, within=f"{SWALLOWS}\nheard()\nstopping.raise_if_stopped()\nprint('next')")
    assert (ran.returncode, ran.stdout) == (128 + number, "")


def test_what_fails_without_a_signal_fails_as_ever():
    ran = run(within="raise ValueError('no signal')")
    assert ran.returncode == 1
    assert ran.stderr.endswith("ValueError: no signal\n")


@pytest.mark.parametrize("module", ["flows.mirror_album", "deployments.up", "deployments.demo"])
def test_ctrl_c_during_the_imports_is_one_line(module, tmp_path):
    """They take seconds: a Prefect that is interrupted as it is imported stands for it."""
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "__init__.py").write_text("raise KeyboardInterrupt")
    ran = python("-m", module, "PdA9Amq", env={"PYTHONPATH": f"{PROJECT}:{tmp_path}"})
    assert ran.returncode == -signal.SIGINT
    assert ran.stderr == "stopped\n"
