"""What must hold within one value of a playbook, beyond the types of its fields: one function a kind of value."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import singledispatch
from graphlib import CycleError, TopologicalSorter

from django.urls import NoReverseMatch, reverse

from apps.metrics.kernel import Unit
from apps.playbook import guides, plan
from apps.playbook.mistakes import Mistake
from apps.playbook.plan import ItemKind, Measure, WeekKind
from apps.playbook.read import nearest

LEAST_ITEMS, MOST_ITEMS = 5, 9
MOST_WEEKS = 52
LEAST_STRETCH, MOST_STRETCH = timedelta(hours=1), timedelta(days=31)
_BLOCK_KEYS = ("baseline", "deployment", "watch", "issues", "rollback")


def at(value: plan.Written, what: str, remedy: str) -> Mistake:
    """A mistake at the place where a value was written."""
    return Mistake(value.source.file, value.source.line, what, remedy)


def unique(values: Iterable[plan.Written], name: Callable[[plan.Written], str]) -> Iterator[Mistake]:
    """A mistake for every value whose name another one had before."""
    first: dict[str, plan.Written] = {}
    for value in values:
        known = first.setdefault(name(value), value)
        if known is not value:
            what = f"{name(value)} stands here a second time (first in {known.source})."
            yield at(value, what, "Give one of them another name.")


def _slug(value: plan.Written) -> str:
    return str(getattr(value, "slug", ""))


def fits_check(value: object, units: Mapping[str, Unit]) -> Iterator[Mistake]:
    """A mistake where a value is compared with a check's in another unit; `units` are those of the declared checks by id."""
    written: plan.Expectation | plan.BaselineMetric | None
    match value:
        case plan.Item(check=check, expect=expect):
            written = expect
        case plan.Improvement(check=check, promised=promised):
            written = promised
        case plan.BaselineMetric(check=check):
            written = value
        case _:
            return
    declared = units.get(check)
    if written is not None and declared is not None and declared is not written.unit:
        yield at(written, f"The unit {written.unit} is not that of {check}.", f"Write `unit: {declared}`.")


@singledispatch
def rules(_value: object) -> Iterator[Mistake]:
    """The mistakes within a value; none for kinds without rules."""
    return iter(())


@rules.register
def _(value: plan.Expectation) -> Iterator[Mistake]:
    low, high = value.low, value.high
    if low is None and high is None:
        yield at(value, "An expectation without low and high accepts everything.", "Add `low: …`, `high: …` or both.")
    if low is not None and high is not None and low > high:
        yield at(value, f"No value is between {low:g} and {high:g}.", "Exchange low and high.")
    if (value.measure is Measure.VALUE) != (value.against == ""):
        remedy = (
            "Write `measure: change` or `measure: difference` together with `against: <baseline metric>`, or neither."
        )
        yield at(value, f"The measure {value.measure} does not go with against: {value.against or 'nothing'}.", remedy)
    if value.slack < 0 or (value.slack and value.measure is Measure.VALUE):
        yield at(
            value, f"The slack {value.slack:g} has no meaning here.", "Write it positive, and only beside `against`."
        )
    bounds = [bound for bound in (low, high) if bound is not None]
    if value.measure is Measure.CHANGE and min(bounds, default=0) < -1:
        yield at(value, f"Nothing falls by more than 100 %, but low is {min(bounds):.0%}.", "Write -100 % or more.")
    if value.measure is Measure.VALUE and value.unit is Unit.RATIO and max(bounds, default=0) > 1:
        worst = max(bounds)
        yield at(value, f"The ratio {worst:g} is {worst:.0%}.", f"Write `{worst:g} %` if {worst:g} per cent is meant.")


@rules.register
def _(value: plan.Item) -> Iterator[Mistake]:
    if value.target:
        yield from _by_target(value)
    elif (value.kind is ItemKind.AUTO) != bool(value.check):
        remedy = "Add `check: <check id>`." if not value.check else "Write `kind: auto`, or remove the check."
        yield at(value, f"The {value.kind} item {value.slug} has {'a' if value.check else 'no'} check.", remedy)
    if value.of and not value.check:
        yield at(value, f"The item {value.slug} is of {value.of}, but has no check.", "Add `check: …`, or remove `of`.")
    if value.kind is ItemKind.OBSERVE and value.expect is None:
        yield at(value, f"Nothing says which value of {value.slug} is good.", "Add `expect: {unit: …, high: …}`.")
    if value.kind in {ItemKind.ATTEST, ItemKind.CHALLENGE} and value.expect is not None:
        yield at(
            value, f"The {value.kind} item {value.slug} has an expectation.", "Write `kind: observe`, or remove it."
        )


def _by_target(value: plan.Item) -> Iterator[Mistake]:
    """An item that a target proves needs nothing else to prove it."""
    if value.kind is not ItemKind.AUTO:
        yield at(
            value, f"The {value.kind} item {value.slug} has a target.", "Write `kind: auto`, or remove the target."
        )
    if value.check or value.expect is not None:
        remedy = "Remove `check` and `expect`, or the target."
        yield at(value, f"Two things prove the item {value.slug}: a target, and a check or an expectation.", remedy)


@rules.register
def _(value: plan.Pause) -> Iterator[Mistake]:
    if not LEAST_ITEMS <= len(value.items) <= MOST_ITEMS:
        remedy = f"A pause point has {LEAST_ITEMS} to {MOST_ITEMS}: split it, or join it with its neighbour."
        yield at(value, f"The pause point {value.slug} has {len(value.items)} items.", remedy)


@rules.register
def _(value: plan.Window) -> Iterator[Mistake]:
    if value.start == value.end:
        yield at(value, "The window ends when it starts.", "Give it another end.")


@rules.register
def _(value: plan.Day) -> Iterator[Mistake]:
    order = list(plan.Weekday)
    if value.until is not plan.Weekday.ANY and not order.index(value.day) < order.index(value.until):
        yield at(value, f"{value.name} ends before it begins.", "Write a later `until`, or leave it out.")
    if value.week < 1:
        yield at(value, f"{value.name} lies in calendar week {value.week} of the block.", "Write 1 or more.")


@rules.register
def _(value: plan.Step) -> Iterator[Mistake]:
    if value.at_least is not None and (value.at_most is None or value.at_least > value.at_most):
        yield at(value, "The step takes at least longer than at most.", "Exchange at_least and at_most; write both.")


@rules.register
def _(value: plan.BaselineMetric) -> Iterator[Mistake]:
    if sum(map(bool, (value.check, value.metric, value.how))) != 1:
        remedy = "Write exactly one of check, metric and how."
        yield at(value, f"The baseline metric {value.slug} does not say where it is read from.", remedy)
    if value.tolerance < 0 or value.slack < 0:
        yield at(
            value,
            f"The tolerance of {value.slug} is negative.",
            "Write how much worse it may be, as a positive number.",
        )


@rules.register
def _(value: plan.WatchEntry) -> Iterator[Mistake]:
    if bool(value.check) != (value.every is not None):
        remedy = "Write `check` and `every` together; a person's round has `look_every` alone."
        yield at(value, f"The watch entry {value.slug} has only one of check and every.", remedy)
    if not value.check and value.look_every is None:
        yield at(value, f"Nobody looks at {value.slug}.", "Add `look_every: 4 h`, or a check with `every`.")
    if value.max_tolerated_failures < 0 or value.consecutive_errors_allowed < 0:
        yield at(value, f"{value.slug} tolerates less than no failure.", "Write 0 or more.")


@rules.register
def _(value: plan.Watch) -> Iterator[Mistake]:
    yield from unique(value.entries, _slug)
    if not 0 < value.coverage <= 1:
        yield at(value, f"The coverage {value.coverage:g} is no share.", "Write a share such as 95 %.")
    if value.max_gap < 1:
        yield at(value, f"A gap of {value.max_gap} intervals cannot be asked for.", "Write 1 or more.")
    for entry in value.entries:
        for name, interval in (("every", entry.every), ("look_every", entry.look_every)):
            if interval is not None and not timedelta(0) < interval <= value.length:
                remedy = "Write an interval above zero that is not longer than the watch."
                yield at(entry, f"{name} of {entry.slug} does not fit into the watch.", remedy)


@rules.register
def _(value: plan.Improvement) -> Iterator[Mistake]:
    promised = value.promised
    if (promised.measure is Measure.VALUE) != bool(value.check):
        remedy = "A promised value needs `check: <check id>`; a promised change is read from its baseline metric."
        yield at(value, f"Nothing says where {value.slug} is read from.", remedy)
    if (value.over is not None and promised.measure is not Measure.VALUE) or (value.busiest and value.over is None):
        remedy = "Write `over` for a promised value only, and `busiest` beside it."
        yield at(value, f"The stretch of {value.slug} has no meaning here.", remedy)
    if value.over is not None and not LEAST_STRETCH <= value.over <= MOST_STRETCH:
        remedy = "Write a stretch of 1 h to 31 d, such as 24 h."
        yield at(value, f"{value.slug} is read over {value.over}.", remedy)
    wrong = promised.high if value.better is plan.Better.LOWER else promised.low
    if promised.measure is not Measure.VALUE and wrong and (wrong > 0) is (value.better is plan.Better.LOWER):
        yield at(promised, f"{wrong:g} is worse, for {value.better} is better.", "Change the sign, or `better`.")


@rules.register
def _(value: plan.SignOff) -> Iterator[Mistake]:
    for role, count in Counter(value.roles).items():
        if count > 1:
            yield at(value, f"The role {role.value} stands twice in {value.slug}.", "Remove one of them.")


@rules.register
def _(value: plan.Week) -> Iterator[Mistake]:
    for group in (value.pauses, value.baseline, value.improvements, value.issues, value.sign_offs):
        yield from unique(group, _slug)
    yield from unique(value.items(), _slug)
    for key in _BLOCK_KEYS:
        if value.kind is WeekKind.BLOCK and not getattr(value, key):
            yield at(value, f"The block {value.slug} has no {key}.", f"Add `{key}: …`: a deployment needs it.")
    gates = {pause.gate for pause in value.pauses}
    for gate in plan.Gate:
        if value.kind is WeekKind.BLOCK and gate not in gates:
            yield at(value, f"The block {value.slug} has no {gate} pause point.", f"Add one with `gate: {gate}`.")
    if not 1 <= value.lasts_weeks <= MOST_WEEKS:
        yield at(value, f"{value.slug} lasts {value.lasts_weeks} calendar weeks.", f"Write 1 to {MOST_WEEKS}.")
    for day in value.days:
        if day.week > value.lasts_weeks >= 1:
            remedy = f"Write `lasts_weeks: {day.week}` for the block, or a smaller week here."
            yield at(day, f"{day.name} lies in week {day.week}, but {value.slug} lasts {value.lasts_weeks}.", remedy)
    expected = [item.expect for item in value.items()] + [improvement.promised for improvement in value.improvements]
    yield from unknown_baselines(expected, value.baseline)


def unknown_baselines(
    expected: Iterable[plan.Expectation | None], baseline: Iterable[plan.BaselineMetric]
) -> Iterator[Mistake]:
    """A mistake for every expectation against a baseline metric that is not captured, or in another unit than it."""
    known = {metric.slug: metric.unit for metric in baseline}
    for one in expected:
        if one is None or not one.against:
            continue
        if one.against not in known:
            yield at(one, f"There is no baseline metric {one.against}.", nearest(one.against, known))
        elif one.unit is not known[one.against]:
            unit = known[one.against]
            yield at(
                one, f"The unit {one.unit} is not that of the baseline metric {one.against}.", f"Write `unit: {unit}`."
            )


@rules.register
def _(value: plan.Plan) -> Iterator[Mistake]:
    for group in (value.systems, value.targets, value.stabilisation, value.long_term):
        yield from unique(group, _slug)
    for target in value.targets:
        if target.slug == plan.ALL_TARGETS:
            yield at(target, f"No target can be named {plan.ALL_TARGETS}: items name all of them so.", "Rename it.")
    for slug, count in Counter(value.weeks).items():
        if count > 1:
            yield at(value, f"The week {slug} stands {count} times in weeks.", "Name each week once.")


@rules.register
def _(value: guides.Runbook) -> Iterator[Mistake]:
    if value.minutes is not None and value.minutes < 1:
        yield at(value, f"{value.id} takes {value.minutes} minutes.", "Write 1 or more, or leave minutes out.")
    if value.minutes_least is not None and not 0 < value.minutes_least < (value.minutes or 0):
        yield at(value, f"{value.id} takes at least as long as at most.", "Write minutes_least below minutes.")
    if value.page:
        try:
            reverse(value.page, args=["tier"])
        except NoReverseMatch:
            remedy = "Write the route of a page of a tier, such as queries:compare."
            yield at(value, f"{value.id} is done on {value.page}, and no tier has such a page.", remedy)


@rules.register
def _(value: guides.Runbooks) -> Iterator[Mistake]:
    yield from unique(value.runbooks, lambda runbook: str(getattr(runbook, "id", "")))


@rules.register
def _(value: guides.TreeNode) -> Iterator[Mistake]:
    if len(value.branches) == 1:
        yield at(value, f"The question {value.slug} has one answer only.", "Add the other answers, or make it an end.")
    findings = [branch.finding for branch in value.branches if branch.finding is not None]
    if findings and not value.check:
        yield at(value, f"An answer of {value.slug} has a finding, but there is no check.", "Add `check: <check id>`.")
    if len(findings) != len(set(findings)):
        yield at(value, f"Two answers of {value.slug} have the same finding.", "Give each finding to one answer.")


@rules.register
def _(value: guides.Tree) -> Iterator[Mistake]:
    yield from unique(value.nodes, _slug)
    known = {node.slug: node for node in value.nodes}
    lost = [branch for node in value.nodes for branch in node.branches if branch.then not in known]
    for branch in lost:
        yield at(branch, f"The tree {value.slug} has no node {branch.then}.", nearest(branch.then, known))
    if lost:
        return
    leads = {slug: [branch.then for branch in node.branches] for slug, node in known.items()}
    try:
        TopologicalSorter(leads).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        yield at(known[circle[0]], f"The tree goes in a circle: {' → '.join(circle)}.", "Lead one answer elsewhere.")
    for slug in known.keys() - _reached(leads, value.nodes[0].slug):
        yield at(known[slug], f"No answer leads to the node {slug}.", "Lead an answer to it, or remove it.")


def _reached(leads: Mapping[str, list[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = [start]
    while ahead:
        slug = ahead.pop()
        if slug not in reached:
            reached.add(slug)
            ahead += leads[slug]
    return reached
