"""The albums of a list at work: several at once, over the connections of one task runner.

A thread lists and plans one album after another, ahead of the downloads. The flow's own thread
submits the downloads, of each album in turn, and never more than there are connections for: so an
album of a few images does not wait for all of a large one that came before it. Two more threads
write the manifests and publish the reports.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any

from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from flows.cli.stopping import raise_if_stopped
from flows.download_images import Downloads, outcomes_of
from flows.support.albums_progress import AlbumsProgress
from flows.support.listing import AlbumRun, Wanted
from flows.support.mirroring import announcement
from imgur_mirror.download import AlbumMirror, Batch
from imgur_mirror.download.settling import MAX_WAITING, must_wait
from imgur_mirror.download.sharing import SharedImages
from imgur_mirror.download.substitutes import SeenPictures
from imgur_mirror.models import Download, Mirrored
from imgur_mirror.report import fetched_line

__all__ = ["AlbumQueue"]

ALBUMS_AT_ONCE = 2 * MAX_WAITING
"""Albums that are planned and not finished, at most: each holds its list of images in memory."""

HELPERS = 4
"""Threads that finish albums; more would only take the interpreter from each other."""

LEAST_BYTES = 2_000_000
"""For a task run to fetch, of an album that is not alone: each costs the server about 10 ms."""

LOOK_SECONDS = 0.5
"""Between two looks at whether the command was told to stop, while nothing happens."""

MAX_WAIT_SECONDS = 2.0
"""For what the threads have begun, such as a report, where the run is stopped."""

Action = Callable[[], None]


@dataclass(slots=True, eq=False)
class _AtWork:
    """An album that is planned, and what has come of it so far; `held` holds its run's lock.

    `images` are the ids of those that it fetches.
    """

    place: int
    wanted: Wanted
    run: AlbumMirror
    held: ExitStack
    images: AbstractSet[str]
    batches: deque[Batch] = field(default_factory=deque)
    submitted: int = 0
    rows: list[Download] = field(default_factory=list)


@dataclass
class AlbumQueue:
    """Mirrors the albums of a list, and gives what became of each, in the list's order.

    `plan` lists an album and prepares its run, whose lock the stack then holds. `finished` says
    what became of it. `open_downloads` starts the task runner, for the first album that has
    something to fetch. `seen` takes the pictures of all albums.
    """

    plan: Callable[[Wanted, ExitStack], AlbumMirror]
    finished: Callable[[Wanted, Mirrored], AlbumRun]
    failed: Callable[[Wanted, Exception], AlbumRun]
    open_downloads: Callable[[], AbstractContextManager[Downloads]]
    progress: AlbumsProgress
    seen: SeenPictures = field(default_factory=SeenPictures)
    _shared: SharedImages = field(default_factory=SharedImages)
    _todo: SimpleQueue[Action] = field(default_factory=SimpleQueue)
    _aside: SimpleQueue[Action | None] = field(default_factory=SimpleQueue)
    _room: Semaphore = field(default_factory=lambda: Semaphore(ALBUMS_AT_ONCE))
    _left: Event = field(default_factory=Event)
    _stack: ExitStack = field(default_factory=ExitStack)
    _downloads: Downloads | None = None
    _in_flight: int = 0
    _unlisted: bool = True
    _ended: dict[int, AlbumRun] = field(default_factory=dict)
    _fetching: list[_AtWork] = field(default_factory=list)
    _in_turn: deque[_AtWork] = field(default_factory=deque)
    _postponed: list[_AtWork] = field(default_factory=list)
    _waiting: list[_AtWork] = field(default_factory=list)
    _at_work: dict[int, ExitStack] = field(default_factory=dict)

    def run(self, albums: Iterable[Wanted | AlbumRun]) -> tuple[AlbumRun, ...]:
        """Mirror the albums; the failure of one stops no other."""
        with self._stack, self._threads(albums), self.progress.shown():
            while self._unlisted or self._at_work:
                raise_if_stopped()
                with suppress(Empty):
                    self._todo.get(timeout=LOOK_SECONDS)()
                self._settle()
                self._submit()
                self.progress.show()
        return tuple(self._ended[place] for place in sorted(self._ended))

    # The threads. All but `_list`, and what is done aside, is the flow's own thread's.

    @contextmanager
    def _threads(self, albums: Iterable[Wanted | AlbumRun]) -> Iterator[None]:
        work = [partial(self._list, iter(albums)), *[self._help] * HELPERS]
        # Daemons: a stop does not wait long for a server that is away.
        threads = [
            Thread(target=copy_context().run, args=(self._or_raise, act), daemon=True)
            for act in work
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._left.set()
            self._room.release()
            for _ in range(HELPERS):
                self._aside.put(None)
            deadline = time.monotonic() + MAX_WAIT_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            for held in [*self._at_work.values()]:
                held.close()

    def _or_raise(self, act: Action) -> None:
        """Have the flow's thread raise what a thread met: a suspension of the run, for one."""
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised where the flow runs
            self._todo.put(partial(_raise, error))

    def _list(self, albums: Iterator[Wanted | AlbumRun]) -> None:
        """List and plan one album after another; one at a time, whose limits many may share."""
        for place, each in enumerate(albums):
            self._room.acquire()
            if self._left.is_set():
                return
            self._at_work[place] = ExitStack()
            if isinstance(each, AlbumRun):
                self._todo.put(partial(self._end, place, each))
            else:
                self._plan(place, each, self._at_work[place])
        self._todo.put(self._all_listed)

    def _plan(self, place: int, wanted: Wanted, held: ExitStack) -> None:
        try:
            run = self.plan(wanted, held)
            images = {image.id for image in run.plan.images}
            album = _AtWork(place, wanted, run, held, images)
        except Exception as error:  # noqa: BLE001 - whatever happens to it is its result
            held.close()
            self._todo.put(partial(self._end, place, self.failed(wanted, error)))
            return
        if self._left.is_set():
            held.close()
        elif album.run.plan.batches:
            self._todo.put(partial(self._begin, album))
        else:
            self._finish(album)

    def _help(self) -> None:
        while (act := self._aside.get()) and not self._left.is_set():
            act()

    # An album, from its plan to its end

    def _all_listed(self) -> None:
        self._unlisted = False

    def _begin(self, album: _AtWork) -> None:
        """Begin with an album, unless another is fetching images of it: those are waited for."""
        if any(album.images & other.images for other in self._fetching):
            self._postponed.append(album)
        else:
            self._fetching.append(album)
            self._aside.put(partial(self._copy_shared, album))

    def _copy_shared(self, album: _AtWork) -> None:
        album.run = self._shared.copy_into(album.run)
        self._todo.put(partial(self._fetch, album))

    def _fetch(self, album: _AtWork) -> None:
        """Have an album fetched, in its turn."""
        get_run_logger().info("%s: %s", album.run.album.id, announcement(album.run))
        self.progress.add(album.place, album.run)
        if not album.run.plan.batches:
            self._aside.put(partial(self._finish, album))
            return
        if self._downloads is None:
            self._downloads = self._stack.enter_context(self.open_downloads())
        least = LEAST_BYTES if len(self._fetching) > 1 else 0
        album.batches.extend(self._downloads.batches(album.run.plan, least))
        self._in_turn.append(album)

    def _submit(self) -> None:
        """Submit batches of each album in turn, and a few more than there are connections for.

        A connection that becomes free so has the next at once.
        """
        while self._downloads and self._in_turn and self._in_flight < self._most():
            album = self._in_turn.popleft()
            if not album.submitted and not album.rows:
                # It waited for its turn until now.
                album.run = replace(album.run, began=time.time())
            batch = album.batches.popleft()
            future = self._downloads.submit(batch, album.run.folder)
            self._in_flight += 1
            album.submitted += 1
            ended = partial(self._batch_ended, album, batch, future)
            future.add_done_callback(partial(self._put, ended))
            if album.batches:
                self._in_turn.append(album)

    def _put(self, ended: Action, _future: PrefectFuture[Any]) -> None:
        """Have the flow's thread go on with what ended; from any thread."""
        self._todo.put(ended)

    def _most(self) -> int:
        at_once = self._downloads.at_once if self._downloads else 0
        return at_once + max(1, at_once // 2)

    def _batch_ended(self, album: _AtWork, batch: Batch, future: PrefectFuture[Any]) -> None:
        self._in_flight -= 1
        album.submitted -= 1
        album.rows.extend(outcomes_of(batch, future, album.run.folder))
        if not album.batches and not album.submitted:
            get_run_logger().info("%s: %s", album.run.album.id, fetched_line(album.rows))
            if must_wait(album.run.album, album.rows, self.seen):
                self._waiting.append(album)
            else:
                self._aside.put(partial(self._finish, album))

    def _settle(self) -> None:
        """Finish the albums that wait, after all others or where they are too many."""
        not_at_work = len(self._waiting) + len(self._postponed)
        all_others_ended = not self._unlisted and len(self._at_work) == not_at_work
        if all_others_ended or len(self._waiting) >= MAX_WAITING:
            for album in self._waiting:
                self._aside.put(partial(self._finish, album))
            self._waiting.clear()

    def _finish(self, album: _AtWork) -> None:
        """Write an album's manifest, and publish what it brought."""
        with album.held:
            try:
                mirrored = album.run.finish(album.rows, self.seen)
                self._shared.add(mirrored, album.run.folder)
                ended = self.finished(album.wanted, mirrored)
            except Exception as error:  # noqa: BLE001 - as above
                ended = self.failed(album.wanted, error)
        self._todo.put(partial(self._end, album.place, ended))

    def _end(self, place: int, ended: AlbumRun) -> None:
        self._ended[place] = ended
        del self._at_work[place]
        self._room.release()
        mirrored = ended.result.mirrored
        self.progress.end(place, sum(row.received for row in mirrored.downloads) if mirrored else 0)
        self._fetching = [other for other in self._fetching if other.place != place]
        postponed, self._postponed = self._postponed, []
        for album in postponed:
            self._begin(album)


def _raise(error: BaseException) -> None:
    raise error
