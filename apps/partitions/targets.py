"""What the mission wants of each table: how it is partitioned, how long its rows are kept."""

from dataclasses import dataclass

from apps.partitions.coverage import Cadence

PREMAKE = 2  # partitions that should exist beyond the present one


@dataclass(frozen=True, slots=True)
class Target:
    """`keep_months`: after these a partition should be retired; `archive_months`: after these it should be archived. None: not decided."""

    cadence: Cadence
    keep_months: int | None = None
    archive_months: int | None = 12


TARGETS = {
    "conversation_message": Target(Cadence.MONTHLY, 24),
    "message": Target(Cadence.MONTHLY, 36),
    "message_recipient": Target(Cadence.MONTHLY, 24),
    "conversation": Target(Cadence.QUARTERLY, 36, 24),
    "message_queue": Target(Cadence.WEEKLY),
}
SUFFIX = "_partitioned"  # of a table's partitioned twin before both are switched


def target_of(table: str) -> Target | None:
    """What is wanted of `schema.table` or of its partitioned twin; None for tables that the mission does not name."""
    return TARGETS.get(table.rpartition(".")[2].removesuffix(SUFFIX))
