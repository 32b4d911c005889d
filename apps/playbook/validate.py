"""A folder of files as a Playbook, or all of its mistakes at once."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from apps.metrics import registry
from apps.metrics.kernel import Unit
from apps.playbook.guides import File, Playbook, QuickReference, Runbooks, Tree
from apps.playbook.mistakes import Mark, Mistake, PlaybookInvalid
from apps.playbook.parse import Listing, Node, Scalar, Section, parse
from apps.playbook.pin import Bundle, bundle
from apps.playbook.plan import ALL_TARGETS, Name, Plan, Week, WeekKind
from apps.playbook.read import Reader, nearest
from apps.playbook.rules import at, fits_check, rules, unique, unknown_baselines

PLAN, REFERENCE, RUNBOOKS = "plan.yaml", "quick-reference.yaml", "runbooks/index.yaml"
FOLDERS = ("weeks", "runbooks", "trees")

T = TypeVar("T")


class _Folder:
    """The files of a playbook: read once, each with its digest; what cannot be read is a mistake."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self.digests: dict[str, str] = {}

    def names(self) -> list[str]:
        """Every YAML file in the folder and in the folders that belong to a playbook, in order."""
        places = [self.path, *(self.path / folder for folder in FOLDERS)]
        found = [file for place in places for file in place.glob("*.y*ml")]
        return sorted(str(file.relative_to(self.path)) for file in found)

    def tree(self, name: str, asked: Mark | None = None) -> Node | None:
        """The tree of a file; `asked` is the place that names it, where its absence is reported."""
        mark = asked or Mark(name, 0)
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            remedy = f"Write {name}, or copy it from the default playbook."
            self.mistakes.append(Mistake(mark.file, mark.line, f"There is no file {name}.", remedy))
            return None
        except OSError as error:
            what = f"The file {name} cannot be read: {error.strerror}."
            self.mistakes.append(Mistake(mark.file, mark.line, what, "Make it a file that the portal may read."))
            return None
        self.digests[name] = sha256(data).hexdigest()
        tree = parse(data, name)
        if isinstance(tree, Mistake):
            self.mistakes.append(tree)
            return None
        return tree


@dataclass(frozen=True, slots=True)
class Current:
    """The playbook as it stands in its files, and what it would be pinned as."""

    playbook: Playbook
    bundle: Bundle


def current() -> Current:
    """The playbook that OPSPORTAL_PLAYBOOK names, read anew only when a file of it changed; raises PlaybookInvalid."""
    folder = Path(settings.PLAYBOOK)
    found = [(name, folder / name) for name in _Folder(folder).names()]
    return _kept(folder, tuple((name, path.stat().st_mtime_ns if path.exists() else 0) for name, path in found))


@lru_cache(maxsize=1)
def _kept(folder: Path, _stamps: tuple[tuple[str, int], ...]) -> Current:
    playbook = load(folder)
    return Current(playbook, bundle(playbook))


def load(path: Path) -> Playbook:
    """The playbook kept in a folder; raises PlaybookInvalid with every mistake found, sorted by file and line."""
    if not path.is_dir():
        remedy = "Set OPSPORTAL_PLAYBOOK to the folder of a playbook, or copy the default one there."
        raise PlaybookInvalid([Mistake(str(path), 0, "There is no such folder.", remedy)])
    folder = _Folder(path)
    units = {check.id: check.unit for check in registry.checks().values()}
    trees = {name: tree for name in (PLAN, RUNBOOKS, REFERENCE) if (tree := folder.tree(name))}
    reader = Reader(_names(trees, units), partial(_rules, units))
    plan, runbooks, reference = (
        _read(reader, cls, trees.get(name))
        for cls, name in ((Plan, PLAN), (Runbooks, RUNBOOKS), (QuickReference, REFERENCE))
    )
    weeks = _weeks(folder, reader, trees.get(PLAN))
    guides = [_read(reader, Tree, folder.tree(name)) for name in folder.names() if name.startswith("trees/")]
    mistakes = folder.mistakes + reader.mistakes + [*_unread(folder)]
    whole = [tree for tree in guides if tree]
    if isinstance(plan, Plan) and isinstance(runbooks, Runbooks) and isinstance(reference, QuickReference):
        files = tuple(File(name=name, digest=digest) for name, digest in sorted(folder.digests.items()))
        playbook = Playbook(
            plan=plan,
            weeks=tuple(weeks),
            runbooks=runbooks.runbooks,
            trees=tuple(whole),
            reference=reference,
            files=files,
        )
        complete = len(weeks) == len(plan.weeks) and not reader.dropped
        mistakes += _across(playbook) if complete else ()
        if not mistakes:
            return playbook
    raise PlaybookInvalid(mistakes)


class _Metrics(Collection[str]):
    """The metrics that may be named: every column of a declared probe; those that checks read serve as suggestions."""

    def __init__(self) -> None:
        self.probes = registry.probes().keys() | registry.tier_probes().keys()
        self.suggestions = {check.metric for check in registry.checks().values()}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.rpartition(".")[0] in self.probes

    def __iter__(self) -> Iterator[str]:
        return iter(self.suggestions)

    def __len__(self) -> int:
        return len(self.suggestions)


def _rules(units: Mapping[str, Unit], value: object) -> Iterator[Mistake]:
    yield from rules(value)
    yield from fits_check(value, units)


def _read(reader: Reader, cls: type[T], tree: Node | None) -> T | None:
    return None if tree is None else reader.read(cls, tree)


def _names(trees: Mapping[str, Node], checks: Collection[str]) -> dict[Name, Collection[str]]:
    """The names that a playbook may use: declared checks and metrics, and the runbooks and systems that it lists."""
    return {
        Name.CHECK: checks,
        Name.METRIC: _Metrics(),
        Name.RUNBOOK: _listed(trees.get(RUNBOOKS), "runbooks", "id"),
        Name.SYSTEM: _listed(trees.get(PLAN), "systems", "slug"),
    }


def _listed(tree: Node | None, key: str, name: str) -> set[str]:
    """The names in a list of sections, whatever else is wrong with them."""
    listing = tree.values.get(key) if isinstance(tree, Section) else None
    entries = listing.items if isinstance(listing, Listing) else []
    found = [entry.values.get(name) for entry in entries if isinstance(entry, Section)]
    return {node.text for node in found if isinstance(node, Scalar)}


def _weeks(folder: _Folder, reader: Reader, tree: Node | None) -> list[Week]:
    """The weeks in the order in which the plan names them."""
    listing = tree.values.get("weeks") if isinstance(tree, Section) else None
    weeks = []
    for entry in listing.items if isinstance(listing, Listing) else ():
        if not isinstance(entry, Scalar) or "/" in entry.text or entry.absent:
            continue
        week = _read(reader, Week, folder.tree(f"weeks/{entry.text}.yaml", entry.mark))
        if week and week.slug != entry.text:
            folder.mistakes.append(
                at(week, f"The week is named {week.slug}.", f"Write `slug: {entry.text}`, as its file.")
            )
        weeks += [week] if week else []
    return weeks


def _unread(folder: _Folder) -> Iterator[Mistake]:
    """A file that nothing reads is a mistake: what is written there would silently not count."""
    for name in folder.names() if PLAN in folder.digests else ():
        if name not in folder.digests and not any(name in mistake.what for mistake in folder.mistakes):
            remedy = "Name the week in plan.yaml." if name.startswith("weeks/") else nearest(name, folder.digests)
            yield Mistake(name, 0, f"Nothing reads {name}.", remedy)


def _across(playbook: Playbook) -> Iterator[Mistake]:
    """What must hold between the files."""
    yield from unique(playbook.trees, lambda tree: str(getattr(tree, "slug", "")))
    known = {week.slug for week in playbook.weeks}
    named = [(node, node.week) for tree in playbook.trees for node in tree.nodes if node.week]
    for value, slug in [*named, *((reminder, reminder.week) for reminder in playbook.reference.reminders)]:
        if slug not in known:
            yield at(value, f"The plan has no week {slug}.", nearest(slug, known))
    targets = {ALL_TARGETS, *(target.slug for target in playbook.plan.targets)}
    for item in (item for week in playbook.weeks for item in week.items() if item.target):
        if item.target not in targets:
            yield at(item, f"The plan has no target {item.target}.", nearest(item.target, targets))
    blocks = [week for week in playbook.weeks if week.kind is WeekKind.BLOCK]
    if not blocks:
        yield at(playbook.plan, "The plan has no block: nothing is rolled out.", "Give a week `kind: block`.")
    else:
        yield from unknown_baselines((target.promised for target in playbook.plan.targets), blocks[0].baseline)
