"""The formats of lists: each reads the rows of a file as a stream.

`record` is what they have in common, `opening` unpacks and decodes a file. `lines`, `table`,
`json_values` and `parquet_rows` each read one format, and `detection` tells which a file has.
"""

from imgur_mirror.bulk.formats.record import BadSource, Record, Rows

__all__ = ["BadSource", "Record", "Rows"]
