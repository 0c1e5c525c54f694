"""What a large file costs: its time and its place on the disk, and no memory."""

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress

import psutil
import pytest

from imgur_mirror.models import Strategy
from standin.process import running
from tests.support.imgur import environment, put

pytestmark = pytest.mark.slow

MIB = 1 << 20
SIZES = {"Little1": MIB, "Larger1": 256 * MIB}
MOST = 50 * MIB


@pytest.fixture(scope="module")
def standin():
    with running("raw") as address:
        for album, size in SIZES.items():
            (image,) = put(
                address, f"albums/{album}", {"count": 1, "bytes": size, "kinds": ["mp4"]}
            )
            # The first answer computes the digest; this one has nobody waiting for it.
            asked = urllib.request.Request(f"{address}/{image['name']}", method="HEAD")
            urllib.request.urlopen(asked).close()
        yield address


def started(album, strategy, standin, downloads):
    """A mirror in a process of its own."""
    settings = {
        **environment(standin),
        "IMGUR_READ_TIMEOUT": "60",
    }
    command = [sys.executable, "-m", "flows.mirror_album", album, "--strategy", strategy.value]
    command += ["--workers", "1", "--downloads", str(downloads)]
    return subprocess.Popen(command, env=os.environ | settings)


def peaks(runs):
    """Wait for runs; of each, the most bytes that one of its processes had resident."""
    most = [0] * len(runs)
    while any(run.poll() is None for run in runs):
        most = [max(so_far, *_resident(run)) for so_far, run in zip(most, runs, strict=True)]
        time.sleep(0.1)
    return most


def _resident(run):
    """The bytes resident in a run's process and in each of those that it started, 0 at least."""
    yield 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(run.pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                yield one.memory_info().rss


@pytest.mark.parametrize("strategy", Strategy)
def test_a_large_file_takes_no_more_memory_than_a_small_one(
    strategy, standin, prefect_server, tmp_path
):
    with ExitStack() as stack:
        runs = [stack.enter_context(started(album, strategy, standin, tmp_path)) for album in SIZES]
        little, larger = peaks(runs)

    assert [run.returncode for run in runs] == [0, 0]
    (file,) = (tmp_path / "Larger1").glob("*.mp4")
    size = file.stat().st_size
    file.unlink()
    assert size == SIZES["Larger1"]
    assert larger - little < MOST
