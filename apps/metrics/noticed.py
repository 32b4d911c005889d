"""What a room's own sentences do not tell: which of its other checks are bad, so that no bad room reads as if all were well."""

from django.utils.translation import gettext as _

from apps.metrics.board import BoardData
from apps.metrics.kernel import State
from apps.metrics.registry import checks

NAMED = 3


def noticed(data: BoardData) -> str:
    """The checks of the room that fail or, where none does, warn, each with its node; empty where all is well."""
    known = checks()
    for state in (State.FAIL, State.WARN):
        found = dict.fromkeys(
            f"{known[v.check_id].title} ({v.node})" if v.node else str(known[v.check_id].title)
            for v in data.verdicts
            if v.state is state and v.check_id in known and not known[v.check_id].shadow
        )
        if found:
            more = "" if len(found) <= NAMED else _(" and %(n)d more") % {"n": len(found) - NAMED}
            return _("Look at: %(what)s%(more)s.") % {"what": ", ".join(list(found)[:NAMED]), "more": more}
    return ""
