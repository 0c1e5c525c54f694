"""A limit of requests a second over all runs: a global concurrency limit of Prefect's.

A run asks for half a second's worth at a time, one of its workers for all; what it holds lies in a
file of the run's own folder. Each question costs the server a fraction of a slot, since it counts
whole ones: small or frequent questions would leave much of the rate unused. So would Prefect's own
`rate_limit`, which waits longer the more others wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus

from httpx import HTTPStatusError
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from imgur_mirror.download import Batch
from imgur_mirror.download.turns import Turn
from imgur_mirror.settings import BadSettings, Wire
from imgur_mirror.store import AlbumFolder, Outcomes

__all__ = ["Limit", "limited"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit by its name, and how a run keeps to it.

    The run asks for `slots` requests at a time, after a refusal again in `pause` seconds; one task
    run takes at most `share` of them at once.
    """

    name: str
    slots: int
    share: int
    pause: float

    def turns(self, batch: Batch, folder: AlbumFolder) -> Iterator[Turn]:
        """Yield a batch in parts, each when all runs together have left room for it.

        In between come the seconds to wait before the server is asked again.
        """
        for part, requests in self._cut(batch, folder.run_state.outcomes(batch.name)):
            lacking = requests
            while lacking := lacking - self._granted(folder, lacking):
                yield self.pause
            yield part

    def _cut(self, batch: Batch, known: Outcomes) -> Iterator[tuple[Batch, int]]:
        """Yield the parts, each with how many requests it takes: a try before this one had some."""
        for start in range(0, len(batch.byte_ranges), self.share):
            pieces = batch.byte_ranges[start : start + self.share]
            rows = [known.get((piece.image.id, piece.offset)) for piece in pieces]
            yield (
                replace(batch, byte_ranges=pieces),
                sum(
                    piece.stored is None and (row is None or row.retryable)
                    for piece, row in zip(pieces, rows, strict=True)
                ),
            )

    def _granted(self, folder: AlbumFolder, wanted: int) -> int:
        """Take at most so many of what the run holds, or has from the server; 0 if not now."""
        return folder.run_state.take_slots(wanted, self.pause, self._asked)

    def _asked(self) -> int:
        try:
            with get_client(sync_client=True) as client:
                client.increment_concurrency_slots([self.name], self.slots, "rate_limit")
        except HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.LOCKED:
                raise
            return 0
        return self.slots


def limited(wire: Wire, workers: int, connections: int) -> tuple[Limit | None, Wire]:
    """Return the limit that a run keeps to, for task runs of so many connections, if one is set.

    With it the run itself keeps to the limit's rate as well, so that what it asked for at once is
    not sent at once.

    Raises:
        BadSettings: where there is no such limit, or where it is none of requests a second.
    """
    name = wire.rate_limit
    if name is None:
        return None, wire
    make = f"prefect gcl create {name} --limit 10 --slot-decay-per-second 10"
    try:
        with get_client(sync_client=True) as client:
            found = client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound as error:
        raise BadSettings(
            f"IMGUR_RATE_LIMIT is {name}, and the Prefect server has no such limit: "
            f"create it with {make}"
        ) from error
    rate = found.slot_decay_per_second
    if not rate:
        raise BadSettings(
            f"IMGUR_RATE_LIMIT is {name}, whose slots do not become free by themselves: "
            f"give it a rate with prefect gcl update {name} --slot-decay-per-second 10"
        )
    # Half a second's worth: two runs that ask in turns leave nothing of the rate unused.
    slots = max(1, int(min(found.limit, rate) / 2))
    own = wire.max_requests_per_second
    return (
        Limit(name, slots, max(1, slots * connections // workers), slots / rate),
        replace(wire, max_requests_per_second=rate if own is None else min(rate, own)),
    )
