"""YAML and JSON as one plain tree in which every value knows its file and line.

Scalars stay text: the reader knows which type it wants, so `no`, `1.10` and `02:00` mean what they look like. A playbook
needs no tags, anchors or aliases; they are refused, and with them every way to make a small file large.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from apps.playbook.mistakes import Mark, Mistake

MOST_BYTES = 1_000_000
MOST_DEPTH = 16
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it was written; `plain` when it stood without quotes."""

    mark: Mark
    text: str
    plain: bool = True

    @property
    def absent(self) -> bool:
        """Whether nothing was written behind the key, or YAML's words for nothing."""
        return self.plain and self.text in {"", "~", "null"}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of values."""

    mark: Mark
    items: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Section:
    """Keys with their values; `marks` tells where each key stands."""

    mark: Mark
    values: "dict[str, Node]" = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)


Node: TypeAlias = Scalar | Listing | Section


class _Refused(Exception):
    """Ends the parsing of a file at its first mistake of form."""

    def __init__(self, mark: Mark, what: str, remedy: str) -> None:
        self.mistake = Mistake(mark.file, mark.line, what, remedy)


def parse(data: bytes, file: str) -> Node | Mistake:
    """The tree of a YAML file, or the mistake of form that prevents one."""
    try:
        return _build(_events(_decode(data, file), file), file)
    except _Refused as refused:
        return refused.mistake


def _decode(data: bytes, file: str) -> str:
    if len(data) > MOST_BYTES:
        raise _Refused(Mark(file, 1), f"The file has {len(data):,} bytes.", f"Keep it below {MOST_BYTES:,} bytes.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Refused(Mark(file, line), "The file is not UTF-8 text.", "Save it as UTF-8.") from error


def _events(text: str, file: str) -> Iterator[tuple[Mark, yaml.Event]]:
    """YAML's events with their marks; refuses what a playbook does not need."""
    documents = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            mark = Mark(file, event.start_mark.line + 1 if event.start_mark else 0)
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _Refused(mark, "A second document starts here.", "Keep one a file: remove the line `---`.")
            if isinstance(event, yaml.NodeEvent) and event.anchor:  # an alias has one too
                raise _Refused(mark, "Anchors and aliases (& and *) are not read.", "Write it out, or in quotes.")
            if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag:
                raise _Refused(mark, f"The tag {event.tag} is not read.", "Remove it, or put the text in quotes.")
            yield mark, event
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        line = min(at.line + 1, text.count("\n") + 1) if at else 1
        remedy = "Check the indentation, the colons and the quotes on this line and the one before."
        raise _Refused(Mark(file, line), f"This is not YAML: {error.problem or error.context}.", remedy) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Refused(Mark(file, line), f"Character {error.character!r} is not allowed.", "Remove it.") from error


def _build(events: Iterator[tuple[Mark, yaml.Event]], file: str) -> Node:
    """The tree of a stream of events, without recursion: `open_` holds the way down to where the next value belongs."""
    root: list[Node] = []
    open_: list[_Open] = [_Open(Listing(Mark(file, 1), root))]
    for mark, event in events:
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            open_.pop()
        elif (node := _node(mark, event)) and open_[-1].take(node) and not isinstance(node, Scalar):
            if len(open_) > MOST_DEPTH:
                raise _Refused(mark, "Lists and sections are nested too deeply.", f"Use at most {MOST_DEPTH} levels.")
            open_.append(_Open(node))
    if not root:
        raise _Refused(Mark(file, 1), "The file is empty.", "Write its content, or take it from the default playbook.")
    return root[0]


@dataclass(slots=True)
class _Open:
    """A list or section that is being filled; in a section `key` waits for its value."""

    node: Listing | Section
    key: Scalar | None = None

    def take(self, node: Node) -> bool:
        """Put the next node where it belongs; False when it was a key."""
        if isinstance(self.node, Listing):
            self.node.items.append(node)
        elif self.key is None:
            self.key = _key(self.node, node)
            return False
        else:
            self.node.values[self.key.text], self.node.marks[self.key.text] = node, self.key.mark
            self.key = None
        return True


def _node(mark: Mark, event: yaml.Event) -> Node | None:
    match event:
        case yaml.ScalarEvent():
            if found := _CONTROL.search(event.value):
                what = f"The text has the control character {found[0]!r}."
                raise _Refused(mark, what, "Remove it; text has letters, spaces, tabs and line ends only.")
            return Scalar(mark, event.value, plain=event.style is None or event.style == "")
        case yaml.SequenceStartEvent():
            return Listing(mark)
        case yaml.MappingStartEvent():
            return Section(mark)
    return None


def _key(section: Section, node: Node) -> Scalar:
    if not isinstance(node, Scalar) or not node.text:
        raise _Refused(node.mark, "A key must be a single word.", "Write `key: value`, or put the text in quotes.")
    if node.text in section.values:
        first = section.marks[node.text].line
        raise _Refused(
            node.mark, f"The key {node.text} stands here twice (first on line {first}).", "Remove one of them."
        )
    return node


def tree_of(value: Any, marks: Mapping[str, Mark], path: str = "", above: Mark | None = None) -> Node:
    """The tree of a JSON value; `marks` tells for paths such as `weeks/0/pauses/1` where they were written."""
    mark = marks.get(path, above or Mark())
    if isinstance(value, Mapping):
        values = {str(key): tree_of(inner, marks, f"{path}/{key}".strip("/"), mark) for key, inner in value.items()}
        return Section(mark, values, dict.fromkeys(values, mark))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Listing(mark, [tree_of(inner, marks, f"{path}/{n}", mark) for n, inner in enumerate(value)])
    if isinstance(value, bool):
        return Scalar(mark, "yes" if value else "no")
    return Scalar(mark, value if isinstance(value, str) else repr(value), plain=not isinstance(value, str))
