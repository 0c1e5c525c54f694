"""What a very large job has to say: one line, what it lacks, and the report as Markdown."""

from collections.abc import Sequence

from imgur_mirror.bulk.outcomes import Tally
from imgur_mirror.report import Row, markdown_table
from imgur_mirror.text import counted, counted_images, duration, plain, size

__all__ = ["job_headline", "job_lacks", "job_markdown", "job_so_far", "shard_line"]


def job_headline(tally: Tally, seconds: float, removed: int = 0) -> str:
    """Say in one line what became of all images, and at which rate this run fetched its own.

    `removed` are the reports of shards that the input no longer has.
    """
    fetched = "nothing was fetched in this run"
    if tally.fetched:
        fetched = (
            f"{counted(tally.fetched, 'image')} ({size(tally.received)}) fetched in this run "
            f"in {duration(seconds)}, {_rate(tally.fetched, seconds)}"
        )
    parts = [_counts(tally), fetched]
    if removed:
        parts.append(
            f"the list became shorter: {counted(removed, 'report')} of rows that it no longer has "
            "were removed, their files were kept"
        )
    return "; ".join(parts + _notes(tally, 5))


def job_lacks(tally: Tally, skip_foreign: bool = False) -> str | None:
    """Say what a job lacks and what to do about it; None where it lacks nothing.

    With `skip_foreign`, links to other sites are nothing that it lacks.
    """
    foreign = 0 if skip_foreign else tally.foreign
    if not tally.failed and not foreign:
        return None
    errors = [f"{_most_frequent(tally.errors, 5)}"] if tally.errors else []
    if foreign:
        errors.append(f"{foreign} × a link to another site (skip_foreign leaves those out)")
    lacking = f"{tally.failed + foreign} of {counted_images(tally.images)} failed"
    return f"{lacking}: {'; '.join(errors)}. {_remedy(tally.again, tally.failed + foreign)}"


def _remedy(again: int, failed: int) -> str:
    if again == failed:
        return "Run it again: only these are tried again."
    if again:
        return f"Run it again: {again} of them are tried again, and the other rows name nothing"
    return "Another run does not help: these rows name nothing that can be mirrored"


def job_so_far(tally: Tally, at_work: int, rate: float) -> str:
    """Say how far a job is; `at_work` images more are done, of shards that are not."""
    text = f"{_counts(tally)}; {at_work} more in the shards at work; {rate:.0f} images/s"
    errors = _most_frequent(tally.errors, 3)
    return f"{text}; most frequent: {errors}" if errors else text


def shard_line(name: str, tally: Tally) -> str:
    """Say in one line what became of a shard."""
    errors = _most_frequent(tally.errors, 1)
    text = f"shard {name}: {_numbers(tally)}, {size(tally.received)} received"
    return f"{text}; most frequent: {errors}" if errors else text


def job_markdown(name: str, folder: str, tally: Tally, seconds: float, removed: int = 0) -> str:
    """Return the report of a run: its figures, and its errors, most frequent first."""
    figures: Row = {
        "shards": tally.shards,
        "downloaded": tally.downloaded,
        "unchanged": tally.unchanged,
        "gone": tally.gone,
        "failed": tally.failed,
        "foreign": tally.foreign,
        "files": size(tally.bytes),
        "fetched now": tally.fetched,
        "images/s": round(tally.fetched / seconds, 1) if seconds else 0,
    }
    errors: list[Row] = [{"images": count, "why": error} for error, count in tally.errors]
    blocks = [
        f"{plain(name)}: {job_headline(tally, seconds, removed)}",
        markdown_table([figures]),
        f"## Why images failed\n\n{markdown_table(errors)}" if errors else "",
        f"Each image has a row in `{folder}/*.parquet`.",
    ]
    return "\n\n".join(block for block in blocks if block)


def _notes(tally: Tally, limit: int) -> list[str]:
    """Return what there is to say of albums, at most so many, and how many more there are."""
    shown = list(tally.notes[:limit])
    rest = tally.noted - len(shown)
    return [*shown, f"and {counted(rest, 'album')} more like that"] if rest else shown


def _counts(tally: Tally) -> str:
    shards = counted(tally.shards, "shard")
    return f"{counted_images(tally.images)} in {shards}: {_numbers(tally)}"


def _numbers(tally: Tally) -> str:
    by_outcome = {
        "downloaded": tally.downloaded,
        "unchanged": tally.unchanged,
        "gone": tally.gone,
        "failed": tally.failed,
        "foreign": tally.foreign,
    }
    return ", ".join(f"{count} {word}" for word, count in by_outcome.items() if count) or "none yet"


def _most_frequent(errors: Sequence[tuple[str, int]], limit: int) -> str:
    return "; ".join(f"{count} × {plain(error)}" for error, count in errors[:limit])


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:.0f} images/s" if seconds else "at once"
