"""Pictures that another process draws, and what becomes of them where it cannot."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from imgur_mirror.charts import bar_chart
from imgur_mirror.drawing_process import _end, _processes, drawn, prepare
from tests.test_mirror_album import new_album

LONG = 30
ROW = {"strategy": "async", "workers": 2, "start-up s": 1.0, "download s": 2.0}
ROWS = [ROW | {"total s": 3.0, "speed-up": ""}]


@pytest.fixture(autouse=True)
def _alone():
    """Runs of other tests may have left one."""
    _end()
    yield
    _end()


@pytest.fixture
def process():
    """The process that draws, as psutil has it, when it can draw."""
    prepare(wait=True)
    return psutil.Process(_processes[os.getpid()]._process.pid)


def test_nothing_is_started_by_who_draws():
    assert drawn(os.getpid) == os.getpid()
    assert not _processes


def test_there_is_one_process_which_draws_all(process):
    prepare()
    assert drawn(os.getpid) == drawn(os.getpid) == process.pid


def test_it_draws_the_same_picture(process):
    assert drawn(bar_chart, ROWS) == bar_chart(ROWS)
    assert drawn(os.getpid) == process.pid


def test_threads_have_their_own_answers(process):
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: drawn(divmod, n, 7)}))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: divmod(n, 7) for n in range(20)}
    assert drawn(os.getpid) == process.pid


def test_what_cannot_be_drawn_there_is_tried_here(process):
    with pytest.raises(ZeroDivisionError):
        drawn(divmod, 1, 0)
    assert process.pid != drawn(os.getpid) == os.getpid()


def test_what_cannot_be_sent_is_drawn_here(process):
    assert drawn(lambda: os.getpid()) == os.getpid()
    assert not process.is_running()


@pytest.mark.parametrize("when", ["idle", "asked"])
def test_a_killed_one_is_done_without(process, when):
    if when == "asked":
        process.suspend()
        threading.Timer(0.2, process.kill).start()
    else:
        process.kill()
    assert drawn(os.getpid) == os.getpid()
    prepare(wait=True)
    assert drawn(os.getpid) not in (os.getpid(), process.pid)


def test_a_dead_one_is_replaced(process):
    process.kill()
    _processes[os.getpid()]._process.wait(LONG)
    prepare()
    assert drawn(os.getpid) not in (os.getpid(), process.pid)


@pytest.mark.parametrize("wait", [True, False])
def test_what_else_is_printed_there_is_no_answer(wait, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('Building something', end='')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    prepare(wait=wait)
    assert drawn(os.getpid) == _processes[os.getpid()]._process.pid


def test_ctrl_c_is_not_for_it(process):
    process.send_signal(signal.SIGINT)
    assert drawn(os.getpid) == process.pid


def test_who_is_interrupted_gets_no_answer_to_another_question(process):
    process.suspend()
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        drawn(divmod, 9, 4)
    assert not process.is_running()
    assert drawn(divmod, 17, 7) == (2, 3)


ENDS = """
import os, signal, sys
from imgur_mirror.drawing_process import _processes, prepare

prepare(wait={wait})
print(_processes[os.getpid()]._process.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize(
    ("then", "status"),
    [("sys.exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)],
)
def test_it_does_not_outlive_who_started_it(wait, then, status):
    """Nor does it keep it from its end, whatever it is at."""
    code = ENDS.format(wait=wait, then=then)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert (ran.returncode, ran.stderr) == (status, "")
    try:
        psutil.Process(int(ran.stdout)).wait(LONG)
    except psutil.NoSuchProcess:
        return


FLOW = """
import sys
from flows.mirror_album import mirror_album

mirror_album(sys.argv[1], "threads", 2)
assert "matplotlib" not in sys.modules
"""


@pytest.mark.usefixtures("prefect_server")
def test_a_run_leaves_it_to_the_process(imgur, downloads):
    album = new_album(imgur, count=3, bytes=1000)
    subprocess.run([sys.executable, "-c", FLOW, album], check=True, timeout=120)
    assert (downloads / "_reports" / album / "waterfall.svg").exists()
