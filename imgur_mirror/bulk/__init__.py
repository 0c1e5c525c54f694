"""Millions of links: a list cut into shards, and what became of each.

`source` reads the list, whose `formats` are a package of their own; `shard` cuts it, and `links`
says what a row names. `job` has the folder of all of it; `shard_run` is what a run of one shard
does, `shard_notes` what it leaves for the next one, and `shard_fetch` how its images are fetched.
`outcomes` counts, `parquet_report` keeps the rows, `summary` puts them into words.
"""

from imgur_mirror.bulk.job import Job, JobOptions, job_name, open_job
from imgur_mirror.bulk.outcomes import Tally
from imgur_mirror.bulk.shard import Shard, cut_into_shards
from imgur_mirror.bulk.source import BadSource, Source, check_links, open_source

__all__ = [
    "BadSource",
    "Job",
    "JobOptions",
    "Shard",
    "Source",
    "Tally",
    "check_links",
    "cut_into_shards",
    "job_name",
    "open_job",
    "open_source",
]
