"""Small files placed by another process, where many come fast.

An event loop and the threads of `placing` take turns at one interpreter, and where the host is
near that costs more than the work: 10,000 images of 100 kB took them 5.2 to 6.7 s on two cores,
with this process 4.0 to 5.2 s. The bytes go there through memory that both have. It gets only what
is as it should be. Whatever is not, or fails there, is left to the threads here, which say what is
wrong: nothing depends on this process, and it may die.
"""

import asyncio
import mmap
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, cast

from imgur_mirror.child_process import child_process
from imgur_mirror.disk import StoreError, sync_files
from imgur_mirror.part import SMALL, Part
from imgur_mirror.placing import Finished, finished, placed_async, queue, tell

if TYPE_CHECKING:
    from imgur_mirror.exchange import Exchange, Foreseen
    from imgur_mirror.models import Download

__all__ = ["PlacingProcess"]

SLOTS = 64
"""Files that it has at once, each with `SMALL` bytes of memory."""

LONGEST_ORDER = 1000
"""Bytes; so many orders fit a pipe at once, and no event loop waits until one is read."""

DIGEST = 16
ANSWER = 2 + DIGEST
"""Bytes: the slot's number, whether its file is placed, and its MD5."""

STARTED = bytes([SLOTS]) + bytes(1 + DIGEST)
"""The first answer, of a slot that there is not."""

END = 5.0
"""Seconds that it may take to end when it has nothing more to do."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """An exchange whose bytes are over there, and who waits for what becomes of them."""

    exchange: "Exchange"
    record: Callable[["Download"], None]
    waiting: Finished

    def was_placed(self, md5: str) -> None:
        """Record it, and tell who waits."""
        with self.waiting.faults_told():
            self.record(self.exchange.was_placed(md5))
        tell([self.waiting])

    def stay(self) -> None:
        """Have the threads of this process do it."""
        queue(self.waiting)


class PlacingProcess:
    """The process, as the event loop has it that gives it work."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to start it; until it has, the threads of this process do its work.

        Raises:
            OSError: where there can be no such process.
        """
        self._loop = loop
        self._free: list[int] = []
        self._sent: dict[int, _Sent] = {}
        memory = _memory()
        try:
            self._memory = mmap.mmap(memory, SLOTS * SMALL)
            self._process = child_process(__name__, str(memory), bufsize=0, pass_fds=[memory])
        finally:
            os.close(memory)
        self._orders = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        loop.add_reader(self._answers, self._hear)

    def placed(
        self, exchange: "Exchange", record: Callable[["Download"], None]
    ) -> asyncio.Future[bool]:
        """Begin to place what an exchange has, as `placed_async` does, but there if it may."""
        foreseen = exchange.foreseen() if self._free and not exchange.folder.remote else None
        order = _order(foreseen) if foreseen else b""
        if foreseen is None or len(order) > LONGEST_ORDER:
            return placed_async(exchange, record)
        future: asyncio.Future[bool] = self._loop.create_future()
        slot = self._free.pop()
        waiting = finished(exchange, record, future, self._loop)
        self._sent[slot] = _Sent(exchange, record, waiting)
        at = slot * SMALL
        for block in foreseen.blocks:
            self._memory[at : at + len(block)] = block
            at += len(block)
        # One that has died is heard of as well, and then all that it was sent stays here.
        with suppress(BrokenPipeError):
            self._orders.write(b"%d %b\0" % (slot, order))
        return future

    async def close(self) -> None:
        """End it; all that it was sent has been answered."""
        self._loop.remove_reader(self._answers)
        self._orders.close()
        try:
            await asyncio.to_thread(self._process.wait, END)
        except BaseException as error:
            self._process.kill()
            self._process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            self._answers.close()
            self._memory.close()

    def _hear(self) -> None:
        # Answers are written whole, and so read whole.
        answers = self._answers.read(ANSWER * SLOTS)
        if not answers:
            self._mourn()
        elif answers.startswith(STARTED):
            self._free = list(range(SLOTS))
            answers = answers[ANSWER:]
        for start in range(0, len(answers), ANSWER):
            sent = self._sent.pop(answers[start])
            self._free.append(answers[start])
            if answers[start + 1]:
                sent.was_placed(answers[start + 2 : start + ANSWER].hex())
            else:
                sent.stay()

    def _mourn(self) -> None:
        """Go on without it."""
        self._loop.remove_reader(self._answers)
        self._free.clear()
        for sent in self._sent.values():
            sent.stay()
        self._sent.clear()


def _memory() -> int:
    """Give a descriptor of memory for all slots, which has no name."""
    if not hasattr(os, "memfd_create"):
        raise OSError("this system has no memory that two processes may share without a name")
    memory = os.memfd_create("imgur-mirror")
    try:
        os.ftruncate(memory, SLOTS * SMALL)
    except OSError:
        os.close(memory)
        raise
    return memory


def _order(foreseen: "Foreseen") -> bytes:
    """Say how a file is placed; its name comes last, since only that may hold a space."""
    about = f"{foreseen.size} {foreseen.md5 or '-'} {foreseen.run} "
    return about.encode() + os.fsencode(foreseen.target)


# What runs there


class _Placing:
    """One file, from the memory that is shared to its name."""

    def __init__(self, order: bytes, memory: memoryview) -> None:
        slot, size, md5, run, target = order.split(b" ", 4)
        self._slot = int(slot)
        self._md5 = md5.decode()
        self._target = os.fsdecode(target)
        self._part = Part(self._target, run.decode())
        start = self._slot * SMALL
        self._body = memory[start : start + int(size)]
        self._placed = False

    @property
    def folder(self) -> str:
        """Where it goes."""
        return self._target.rpartition("/")[0]

    @property
    def file(self) -> int:
        """What has to reach the disk before it is placed."""
        return self._part.file()

    def written(self) -> bool:
        """Check it, and write it where it can be placed from; tell whether that went well."""
        self._part.write(self._body)
        if self._md5 not in ("-", self._part.md5):
            return False
        with suppress(StoreError):
            self._part.ready()
            return True
        return False

    def place(self) -> None:
        """Bring it to its name, if that goes well."""
        with suppress(StoreError):
            self._part.place(synced=True)
            self._placed = True

    def answer(self) -> bytes:
        """Say what became of it; what is not placed leaves nothing behind."""
        with self._part:
            return bytes([self._slot, self._placed]) + bytes.fromhex(self._part.md5)


def _orders(source: int) -> Iterator[bytes]:
    """Read orders until the process that gives them closes its end, or ends."""
    rest = b""
    while read := os.read(source, 1 << 16):
        *orders, rest = (rest + read).split(b"\0")
        yield from orders


def _finish(written: SimpleQueue[_Placing], answers: int) -> None:
    """Place what is written, all that came while the last ones were placed at once."""
    try:
        while True:
            some = [written.get(), *(written.get() for _ in range(min(SLOTS, written.qsize())))]
            for _, group in groupby(some, key=lambda one: one.folder):
                together = list(group)
                with suppress(OSError):
                    sync_files([one.file for one in together])
                    for one in together:
                        one.place()
            _tell(answers, b"".join(one.answer() for one in some))
    except BaseException:  # noqa: BLE001 - whatever it is, nobody else would hear of it
        # Its end is heard of, and all that it had is done elsewhere; its silence would not be.
        traceback.print_exc()
        os._exit(1)


def _tell(answers: int, said: bytes) -> None:
    # Nobody hears it where the process that asked has ended.
    with suppress(BrokenPipeError):
        os.write(answers, said)


def _main() -> None:
    source, answers = sys.stdin.fileno(), sys.stdout.fileno()
    memory = memoryview(mmap.mmap(int(sys.argv[1]), SLOTS * SMALL))
    written: SimpleQueue[_Placing] = SimpleQueue()
    Thread(target=_finish, args=[written, answers], daemon=True).start()
    _tell(answers, STARTED)
    for order in _orders(source):
        placing = _Placing(order, memory)
        if placing.written():
            written.put(placing)
        else:
            _tell(answers, placing.answer())


if __name__ == "__main__":
    _main()
