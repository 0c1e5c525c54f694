"""The advice that comparisons leave in Prefect, and what `auto` makes of it."""

from dataclasses import dataclass
from functools import lru_cache

from prefect import runtime
from prefect.logging import get_run_logger
from prefect.variables import Variable

from flows.support.parameters import Choice
from imgur_mirror.compare import Advice, BadAdvice, advice_for, read_advice
from imgur_mirror.models import Strategy, Work
from imgur_mirror.text import counted, printable

__all__ = ["Chosen", "choose", "keep_advice"]

VARIABLE = "imgur_advice"
MAX_REASON_LENGTH = 1_000
"""Characters; Prefect takes Variables of 5,000 characters in all."""


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

    `workers` is then the most that are used. Advice that cannot be read, edited by hand perhaps,
    is a doubt and no failure: a nightly mirror is better made the default way than not at all.
    """
    if choice is not Choice.AUTO:
        return Chosen(Strategy(choice), workers)
    try:
        advice = advice_for(work, _advice_in(_variable()))
    except BadAdvice as error:
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


def _advice_in(value: object) -> tuple[Advice, ...]:
    """Read what comparisons have left in the Variable, if there is one.

    Raises:
        BadAdvice: where that cannot be read.
    """
    return () if value is None else read_advice(value)


def _variable() -> object:
    """Read the Variable, once a flow run: its name and the run itself have to say the same."""
    run = runtime.flow_run.id
    return _variable_of(run) if run else Variable.get(VARIABLE, default=None)


@lru_cache(maxsize=8)
def _variable_of(_run: str) -> object:
    return Variable.get(VARIABLE, default=None)


def _as_advised(advice: Advice, workers: int) -> Chosen:
    used = min(advice.workers, workers)
    # What was edited by hand may hold anything.
    on = f" on {printable(advice.when[:10])}" if advice.when else ""
    by = f" by the comparison of {printable(advice.album, 40)}" if advice.album else ""
    more = f", with {advice.workers}" if used < advice.workers else ""
    note = f"auto: {advice.strategy} with {counted(used, 'worker')} (advised{on}{by}{more})"
    return Chosen(advice.strategy, used, note, printable(advice.why, MAX_REASON_LENGTH))


def keep_advice(advice: Advice) -> None:
    """Store advice for the runs that come, in the place of what there was for its work."""
    try:
        others = [
            other
            for other in _advice_in(Variable.get(VARIABLE, default=None))
            if other.work is not advice.work
        ]
    except BadAdvice:
        others = []
    stored = [one.as_json() | {"why": one.why[:MAX_REASON_LENGTH]} for one in (*others, advice)]
    Variable.set(VARIABLE, stored, overwrite=True)
    get_run_logger().info("stored in the Prefect Variable %s: %s", VARIABLE, advice.sentence)
