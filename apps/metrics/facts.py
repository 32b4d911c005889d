"""A board's facts from its checks: value with unit, state and age of the worst reading."""

from apps.metrics.board import BoardData, Fact
from apps.metrics.registry import checks
from apps.metrics.units import show


def fact(data: BoardData, label: str, check_id: str, text: str = "") -> Fact:
    """The state row's entry for a check. `text`: instead of the value alone, where it is known."""
    value, check = data.value(check_id), checks()[check_id]
    shown = text if text and value is not None else show(value, check.unit)
    return Fact(label, shown, data.state(check_id), data.at(check_id), check_id, judged=not check.shadow)
