"""The advice that comparisons leave in Prefect."""

from dataclasses import replace
from functools import lru_cache

from prefect import runtime
from prefect.logging import get_run_logger
from prefect.variables import Variable

from imgur_mirror.compare import Advice, BadAdvice, advice_for, read_advice
from imgur_mirror.models import Work
from imgur_mirror.text import printable

__all__ = ["VARIABLE", "BadAdvice", "keep_advice", "stored_advice"]

VARIABLE = "imgur_advice"
MAX_REASON_LENGTH = 1_000
"""Characters; Prefect takes Variables of 5,000 characters in all."""


def stored_advice(work: Work) -> Advice | None:
    """Read what the last comparison of that work advised; None where there was none.

    Its reason can be printed, whatever was edited by hand.

    Raises:
        BadAdvice: where the Variable cannot be read, edited by hand perhaps.
    """
    advice = advice_for(work, _advice_in(_variable()))
    return advice and replace(advice, why=printable(advice.why, MAX_REASON_LENGTH))


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
