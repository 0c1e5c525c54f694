"""The strategy of a run: the caller's, or for `auto` the one that a comparison has advised."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect.logging import get_run_logger

from flows.support.parameters import Choice
from imgur_mirror.models import Strategy, Work
from imgur_mirror.text import counted, printable

if TYPE_CHECKING:
    from imgur_mirror.compare import Advice

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The strategy and workers of a run, and where `auto` has them from; no note without it.

    `why` are the figures behind it; `doubt` says why there was advice that could not be used.
    """

    strategy: Strategy
    workers: int
    note: str = ""
    why: str = ""
    doubt: str = ""

    @property
    def name(self) -> str:
        """What runs are named by: `threads`, or `auto: threads`."""
        return f"auto: {self.strategy}" if self.note else self.strategy.value

    def announce(self) -> "Chosen":
        """Say in the run's log what was chosen and why, where it was not the caller."""
        if self.doubt:
            get_run_logger().warning(self.doubt)
        if self.note:
            get_run_logger().info(": ".join(filter(None, (self.note, self.why))))
        return self

    def with_note(self, message: str) -> str:
        """Add the note to the message of a run's state."""
        return f"{message} · {self.note}" if self.note else message


def choose(choice: Choice, workers: int, work: Work = Work.NONE) -> Chosen:
    """Take what was chosen, or for `auto` what the last comparison of that work advised.

    `workers` is then the most that are used.
    """
    if choice is not Choice.AUTO:
        return Chosen(Strategy(choice), workers)
    # Imported where it is used: it loads all that comparisons are made with.
    from flows.support.advice import VARIABLE, BadAdvice, stored_advice

    try:
        advice = stored_advice(work)
    except BadAdvice as error:
        # A nightly mirror is better made the default way than not at all.
        doubt = (
            f"the Prefect Variable {VARIABLE} cannot be used ({error}): compare the strategies"
            f" again, or delete it with: prefect variable delete {VARIABLE}"
        )
        note = "auto: async, since the advice cannot be used"
        return Chosen(Strategy.ASYNC, workers, note, doubt=doubt)
    if advice is None:
        about = "" if work is Work.NONE else f" about {work}"
        note = f"auto: async, since no comparison has left advice{about} yet"
        return Chosen(Strategy.ASYNC, workers, note)
    return _as_advised(advice, workers)


def _as_advised(advice: "Advice", workers: int) -> Chosen:
    used = min(advice.workers, workers)
    # What was edited by hand may hold anything.
    on = f" on {printable(advice.when[:10])}" if advice.when else ""
    by = f" by the comparison of {printable(advice.album, 40)}" if advice.album else ""
    more = f", with {advice.workers}" if used < advice.workers else ""
    note = f"auto: {advice.strategy} with {counted(used, 'worker')} (advised{on}{by}{more})"
    return Chosen(advice.strategy, used, note, advice.why)
