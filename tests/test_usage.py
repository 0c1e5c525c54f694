"""What the processes of a run use, measured on real ones."""

import subprocess
import sys
import time

import psutil
import pytest

from flows.support.usage import Meter, metering
from imgur_mirror.compare import Machine, busy_note
from imgur_mirror.models import Timings

BURN = """
import sys, time
held = bytearray(int(sys.argv[1]))
held[::4096] = bytes([1]) * len(held[::4096])
while time.process_time() < float(sys.argv[2]):
    pass
print("done", flush=True)
sys.stdin.read()
"""


def burn(held=0, seconds=0.0):
    """A process that has used so much processor time, has so many bytes, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", BURN, str(held), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"done\n"
    return process


@pytest.fixture
def burning():
    started = []
    yield lambda *given: started.append(burn(*given))
    for process in started:
        process.communicate()


def timings(began):
    return Timings(began, began, time.time())


def test_processes_that_are_started_meanwhile_count(burning):
    meter = Meter()
    meter.look()
    began = time.time()
    burning(80_000_000, 0.5)
    burning(0, 0.25)
    meter.look()

    used = meter.usage(timings(began))

    # Counted in hundredths, by the system.
    assert used.processor_seconds >= 0.7
    assert used.peak_memory >= 80_000_000


def test_processes_that_have_ended_count_and_those_from_before_do_not(burning):
    burning(0, 2.0)
    meter = Meter()
    meter.look()
    began = time.time()
    ended = burn(0, 0.5)
    meter.look()
    ended.communicate()

    used = meter.usage(timings(began))

    assert 0.45 <= used.processor_seconds < 2


def test_what_was_used_before_or_after_a_run_is_not_its_own():
    meter = Meter()
    meter.look()
    before = time.time()
    time.sleep(0.05)
    meter.look()
    began = time.time()
    spend(0.3)
    meter.look()
    ended = time.time()
    spend(0.6)

    first = meter.usage(Timings(before, before, before + 0.04)).processor_seconds
    second = meter.usage(Timings(began, began, ended)).processor_seconds

    assert first < 0.25 < second
    assert second < 0.6


def test_other_programs_are_told_apart():
    """What was there before is another's; the machine may be busy with yet more."""
    code = "while True: pass"
    other = subprocess.Popen([sys.executable, "-c", code])
    try:
        meter = Meter()
        meter.look()
        process = psutil.Process(other.pid)
        began = process.cpu_times().user
        while process.cpu_times().user < began + 0.5:
            time.sleep(0.02)
        assert meter.others() > 0
    finally:
        other.kill()
        other.wait()


def test_a_busy_machine_is_worth_a_note():
    assert busy_note(0.3, Machine(2)) is None
    assert busy_note(1.6, Machine(2)).startswith("Other programs had 1.6 of 2 cores in use")


def spend(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_block_is_looked_at_while_it_runs(burning):
    began = time.time()
    with metering() as meter:
        burning(50_000_000, 0.2)
        deadline = time.monotonic() + 60
        while meter.usage(timings(began)).peak_memory < 50_000_000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert meter.usage(timings(began)).processor_seconds >= 0.15
