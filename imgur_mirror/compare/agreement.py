"""Whether runs can be compared: each has all images, and all left the same files."""

from collections.abc import Mapping, Sequence

from imgur_mirror.models import Mirrored, Outcome
from imgur_mirror.report.tables import label, reason
from imgur_mirror.text import counted_images, join_some, plain

__all__ = ["why_not_comparable"]

NOT_THERE = (Outcome.FAILED, Outcome.GONE)

MAX_NAMES = 10
"""Images or files that a sentence names."""


def why_not_comparable(
    runs: Sequence[Mirrored], digests: Sequence[Mapping[str, str]]
) -> str | None:
    """Say which images a run lacks, and which files the runs did not leave the same.

    `digests` has the digest by name of what each run left. None where all is well.
    """
    # An image that all runs found gone is lacking in none.
    present = {row.id for run in runs for row in run.having(Outcome.DOWNLOADED)}
    sentences = [*dict.fromkeys(filter(None, (_lacking(run, present) for run in runs)))]
    if sentences and any(row.retryable for run in runs for row in run.having(Outcome.FAILED)):
        sentences.append("compare again, which fetches all anew")
    if differing := _differing(runs, digests):
        names = join_some(differing, MAX_NAMES)
        sentences.append(f"the strategies left different files: {names}")
    return f"{plain(runs[0].album.id)}: {'; '.join(sentences)}" if sentences else None


def _lacking(run: Mirrored, present: set[str]) -> str | None:
    gone = [row for row in run.having(Outcome.GONE) if row.id in present]
    lacking = [*run.having(Outcome.FAILED), *gone]
    if not lacking:
        return None
    named = join_some([f"{label(row)} ({reason(row)})" for row in lacking], MAX_NAMES)
    of_all = f"{len(lacking)} of {counted_images(len(run.downloads))}"
    return f"{run.strategy} did not get {of_all}: {named}"


def _differing(runs: Sequence[Mirrored], digests: Sequence[Mapping[str, str]]) -> list[str]:
    names = {name for one_run in digests for name in one_run}
    # A file that a run reports and did not leave differs as well.
    names |= {row.name for run in runs for row in run.having(Outcome.DOWNLOADED)}
    # One that a run did not get is told as that.
    names -= {row.name for run in runs for row in run.downloads if row.outcome in NOT_THERE}
    found = {name: {one_run.get(name) for one_run in digests} for name in names}
    return sorted(name for name, each in found.items() if len(each) > 1 or None in each)
