"""What a room's own sentences do not tell: which of its other checks are bad or unknown, so that no such room reads as if all were well."""

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.board import BoardData
from apps.metrics.kernel import State, Verdict
from apps.metrics.registry import checks

NAMED = 3


def noticed(data: BoardData) -> str:
    """The checks of the room that fail; else those that warn, and the unknown ones. Each has its nodes; empty where all is well."""
    return _sentence(data, State.FAIL) or " ".join(
        filter(None, (_sentence(data, state) for state in (State.WARN, State.ERROR, State.NO_DATA)))
    )


def _sentence(data: BoardData, state: State) -> str:
    """The checks in this state; empty where there is none."""
    found = _told(verdict for verdict in data.verdicts if verdict.state is state)
    if not found:
        return ""
    more = "" if len(found) <= NAMED else _(" and %(n)d more") % {"n": len(found) - NAMED}
    return _counted(state, len(found)) % {"n": len(found), "what": "; ".join(found[:NAMED]) + more}


def _told(verdicts: Iterable[Verdict]) -> list[str]:
    """Each check once, in the order of the verdicts, with the nodes it is told of."""
    nodes: dict[str, dict[str, None]] = {}
    for verdict in verdicts:
        check = checks().get(verdict.check_id)
        if check is not None and not check.shadow:
            named = nodes.setdefault(str(check.title), {})
            named.update({verdict.node: None} if verdict.node else {})
    return [
        _("%(check)s on %(node)s") % {"check": title, "node": _all(tuple(of))} if of else title
        for title, of in nodes.items()
    ]


def _all(nodes: Sequence[str]) -> str:
    """Few nodes by their names, many by their number."""
    if len(nodes) > NAMED:
        return _("%(n)d nodes") % {"n": len(nodes)}
    *first, last = nodes
    return _("%(some)s and %(last)s") % {"some": ", ".join(first), "last": last} if first else last


def _counted(state: State, n: int) -> str:
    if state is State.FAIL:
        return ngettext("One thing is wrong: %(what)s.", "%(n)d things are wrong: %(what)s.", n)
    if state is State.WARN:
        return ngettext("One thing needs a look: %(what)s.", "%(n)d things need a look: %(what)s.", n)
    if state is State.ERROR:
        return ngettext("One thing could not be asked: %(what)s.", "%(n)d things could not be asked: %(what)s.", n)
    return ngettext("One thing is not known now: %(what)s.", "%(n)d things are not known now: %(what)s.", n)
