"""The lists that jobs are given, and the reports that they leave."""

import pyarrow.dataset

from tests.support.imgur import contents

__all__ = ["links", "listed", "report"]


def listed(tmp_path, rows, name="links.txt"):
    """A list of these rows; its path."""
    path = tmp_path / name
    path.write_text("".join(f"{row}\n" for row in rows))
    return str(path)


def links(imgur, album):
    """The links of an album's images."""
    return [f"{imgur}/{name}" for name in contents(imgur, album)]


def report(downloads, job="links"):
    """All rows of a job by one query, in the order of the input."""
    found = pyarrow.dataset.dataset(sorted((downloads / "_many" / job).glob("*.parquet")))
    return found.to_table().sort_by("row").to_pylist()
