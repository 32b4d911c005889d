"""The ledger's tree as the store keeps it: the entries' own hashes, and a hash of every whole group of 256, 65536, … of them."""

from dataclasses import dataclass, field

from django.db import DEFAULT_DB_ALIAS, connections

from apps.ledger.tree import Tree, fold

GROUP = 8  # levels of the tree in one group, as sql/tree.sql folds them
LEAVES = "SELECT hash FROM ledger_entry WHERE seq > %s AND seq <= %s ORDER BY seq"
TILES = "SELECT hash FROM ledger_tile WHERE level = %s AND index >= %s AND index < %s ORDER BY index"


class Incomplete(Exception):
    """The store lacks hashes that a tree of this size needs: entries or groups were removed."""


@dataclass(slots=True)
class Stored:
    """Hashes of subtrees, read from the store; groups that were read are remembered, so keep it for one request only."""

    using: str = DEFAULT_DB_ALIAS
    groups: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)

    def __call__(self, level: int, index: int) -> bytes:
        """The hash of the subtree of this level and index; raises Incomplete when the store has not all of it."""
        tier, height = divmod(level, GROUP)
        first = index << height
        group, place = first >> GROUP, first & 255
        found = self._group(tier, group)[place : place + (1 << height)]
        if len(found) != 1 << height:
            raise Incomplete(f"Hashes of the entries after {index << level} are missing in the store.")
        return fold(found)

    def _group(self, tier: int, group: int) -> list[bytes]:
        key = tier, group
        if key not in self.groups:
            bounds = [group << GROUP, (group + 1) << GROUP]
            with connections[self.using].cursor() as cursor:
                cursor.execute(TILES if tier else LEAVES, [tier, *bounds] if tier else bounds)
                self.groups[key] = [bytes(row[0]) for row in cursor.fetchall()]
        return self.groups[key]


def tree(size: int, *, using: str = DEFAULT_DB_ALIAS) -> Tree:
    """The tree of the first `size` entries, read from the store where it is needed."""
    return Tree(size, Stored(using))
