"""Work in chunks: what this room carries into PostgreSQL, and any table that its caller names is what it may change.

    from apps.batch import How, Remember, table, upsert

    result = upsert(table("public.price"), rows, columns=("id", "amount"), how=How(parallel=2))
    if not result.ok:
        print(result.sentence(), *result.errors[:5], sep="\\n")

Inputs are read lazily and in bounded memory; chunks of 1,000 rows share transactions while all
goes well and are alone after a failure; the result names every row that failed. A run with
`remember=Remember("prices")` is a job at /batches/, can be cancelled there, and is resumed after a crash with each chunk
done once. What is imported here must not import `models`: Django loads this package before it has any.
"""

from apps.batch.how import Breaking, Cancel, How, Isolation, OnError, Remember, Retry, Wire
from apps.batch.operations import create, delete, process, stream, table, update, upsert
from apps.batch.result import Circuit, Counts, Ended, Progress, Result, RowError
from apps.batch.resume import BadToken, token_of_job
from apps.batch.run import SourceFailed
from apps.batch.tables import Refused, Table, TableMoved
from apps.batch.terminal import bar

__all__ = [
    "BadToken",
    "Breaking",
    "Cancel",
    "Circuit",
    "Counts",
    "Ended",
    "How",
    "Isolation",
    "OnError",
    "Progress",
    "Refused",
    "Remember",
    "Result",
    "Retry",
    "RowError",
    "SourceFailed",
    "Table",
    "TableMoved",
    "Wire",
    "bar",
    "create",
    "delete",
    "process",
    "stream",
    "table",
    "token_of_job",
    "update",
    "upsert",
]
