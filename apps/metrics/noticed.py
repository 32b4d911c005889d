"""What a room's own sentences do not tell: which of its other checks are bad or unknown, so that no such room reads as if all were well."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import BoardData
from apps.metrics.kernel import State
from apps.metrics.registry import checks

NAMED = 3


def noticed(data: BoardData) -> str:
    """The checks of the room that fail, else those that warn, else the unknown ones, each with its node; empty where all is well."""
    known = checks()
    for state in (State.FAIL, State.WARN, State.ERROR, State.NO_DATA):
        found = dict.fromkeys(
            _("%(check)s on %(node)s") % {"check": known[v.check_id].title, "node": v.node}
            if v.node
            else str(known[v.check_id].title)
            for v in data.verdicts
            if v.state is state and v.check_id in known and not known[v.check_id].shadow
        )
        if found:
            more = "" if len(found) <= NAMED else _(" and %(n)d more") % {"n": len(found) - NAMED}
            return _counted(state, len(found)) % {"n": len(found), "what": ", ".join(list(found)[:NAMED]) + more}
    return ""


def _counted(state: State, n: int) -> str:
    if state is State.FAIL:
        return ngettext("One thing is wrong: %(what)s.", "%(n)d things are wrong: %(what)s.", n)
    if state is State.WARN:
        return ngettext("One thing needs a look: %(what)s.", "%(n)d things need a look: %(what)s.", n)
    if state is State.ERROR:
        return ngettext("One thing could not be asked: %(what)s.", "%(n)d things could not be asked: %(what)s.", n)
    return ngettext("One thing is not known now: %(what)s.", "%(n)d things are not known now: %(what)s.", n)
