"""A series in a range, as pages draw it, and the sentence that tells what each of its points is."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.metrics.kernel import Unit
from apps.metrics.units import show


@dataclass(frozen=True, slots=True)
class Grain:
    """What one point of a line is: `reduce` (avg, max, min, last, count, all) of `step_seconds`, read from `source`.

    Of lines that are computed from averages: `calls` (the mean of all calls), `share` (of all time).
    """

    reduce: str
    step_seconds: float
    source: str | Promise

    def __str__(self) -> str:
        sentences = {
            "avg": _("Each point is the average of %(step)s, from %(source)s."),
            "max": _("Each point is the highest of %(step)s, from %(source)s."),
            "min": _("Each point is the lowest of %(step)s, from %(source)s."),
            "count": _("Each point is the number of samples of %(step)s, from %(source)s."),
            "all": _("Each point tells all of %(step)s, from %(source)s."),
            "last": _("Each point is the last of %(step)s, from %(source)s."),
            "calls": _("Each point is the mean of all calls within %(step)s, from %(source)s."),
            "share": _("Each point is the share within %(step)s, from %(source)s."),
        }
        return sentences[self.reduce] % {"step": show(round(self.step_seconds), Unit.SECONDS), "source": self.source}


@dataclass(frozen=True, slots=True)
class Line:
    """One series in a range. `times`: Unix seconds; `values`: None marks a gap."""

    metric: str
    node: str
    object: str
    times: Sequence[float]
    values: Sequence[float | None]
    grain: Grain | None = None
