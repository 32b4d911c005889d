"""A playbook frozen into one file: what a rollout starts with and, from then on, the only thing it reads.

Two kinds of digest, both SHA-256 in hexadecimal. `Bundle.digest` covers the *meaning*: the canonical JSON (RFC 8785) of
all values, without file names and line numbers, so that a comment or another indentation changes nothing. `Bundle.files`
covers the *bytes* of each file it was read from. Defaults are left out of the JSON, so a key added to the format later
does not change older digests. The seal finds an accident in what the digest does not cover; against intent stands the
digest that was recorded elsewhere when it was pinned.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, is_dataclass
from datetime import time, timedelta
from enum import Enum
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import rfc8785

from apps.playbook.guides import File, Playbook
from apps.playbook.mistakes import Mark
from apps.playbook.parse import tree_of
from apps.playbook.plan import Written
from apps.playbook.read import Reader, keys

if TYPE_CHECKING:
    from dataclasses import Field

FORMAT = "opsportal-playbook/1"
_PARTS = {"format", "digest", "content", "files", "sources", "seal"}


class BundleInvalid(Exception):
    """A bundle that is not what it was when it was made; says what does not fit."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A pinned playbook: the exact bytes to keep, the digest of its meaning, the digests of its files by name."""

    data: bytes
    digest: str
    files: Mapping[str, str]


def bundle(playbook: Playbook) -> Bundle:
    """Freeze a playbook."""
    content = _content(playbook)
    digest = _digest(content)
    files = {file.name: file.digest for file in playbook.files}
    sources = {path: str(mark) for path, mark in _sources(playbook)}
    parts = {"format": FORMAT, "digest": digest, "content": content, "files": files, "sources": sources}
    return Bundle(rfc8785.dumps({**parts, "seal": _digest(parts)}), digest, MappingProxyType(files))


def from_bundle(data: bytes, digest: str = "") -> Playbook:
    """The playbook in a bundle's bytes.

    `digest`: the one recorded when it was pinned. Raises BundleInvalid when a byte was changed, or when the meaning has
    another digest.
    """
    parts = _opened(data)
    content, recorded = parts["content"], parts["digest"]
    if _digest(content) != recorded or _digest({key: parts[key] for key in _PARTS - {"seal"}}) != parts["seal"]:
        raise BundleInvalid("The bundle was changed after it was made: its digests do not fit its content.")
    if digest and digest != recorded:
        raise BundleInvalid(f"The bundle has the digest {recorded}, but {digest} was pinned.")
    marks = _marks(parts["sources"])
    reader = Reader({})
    playbook = reader.read(Playbook, tree_of(content, marks))
    if playbook is None or reader.mistakes:
        raise BundleInvalid(f"This version cannot read the bundle: {'; '.join(m.what for m in reader.mistakes)}")
    files = tuple(File(name=name, digest=value) for name, value in sorted(parts["files"].items()))
    return Playbook(**{key: getattr(playbook, key) for key in keys(Playbook) if key != "files"}, files=files)


def content_of(value: Any) -> Any:
    """A value of the playbook as plain JSON: what its digest covers. Fields at their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        found = {
            key: getattr(value, key) for key, item in keys(type(value)).items() if _said(item, getattr(value, key))
        }
        return {key: content_of(inner) for key, inner in found.items()}
    if isinstance(value, tuple):
        return [content_of(inner) for inner in value]
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds())} s"
    return value.strftime("%H:%M") if isinstance(value, time) else value


def _said(item: "Field[Any]", value: Any) -> bool:
    return item.default is MISSING or value != item.default


def _content(playbook: Playbook) -> Any:
    return {key: inner for key, inner in content_of(playbook).items() if key != "files"}


def _digest(content: Any) -> str:
    return sha256(rfc8785.dumps(content)).hexdigest()


def _sources(value: Any, path: str = "") -> Iterator[tuple[str, Mark]]:
    """Where every value was written, by its path in the content."""
    if isinstance(value, Written):
        yield path, value.source
    if isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _sources(inner, f"{path}/{number}")
    elif is_dataclass(value) and not isinstance(value, type):
        for key in keys(type(value)):
            yield from _sources(getattr(value, key), f"{path}/{key}".strip("/"))


def _marks(sources: Any) -> dict[str, Mark]:
    """The places by path; raises BundleInvalid for what is no place."""
    found = {}
    for path, source in sources.items() if isinstance(sources, dict) else ():
        file, _, line = str(source).rpartition(":")
        if not line.isdecimal():
            raise BundleInvalid(f"The bundle gives {source!r} as a place in a file.")
        found[path] = Mark(file, int(line))
    return found


def _opened(data: bytes) -> dict[str, Any]:
    """The parts of a bundle, when it is one and in canonical form."""
    try:
        parts = json.loads(data)
        canonical = rfc8785.dumps(parts)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise BundleInvalid("This is no bundle of a playbook: it is not JSON.") from error
    if not isinstance(parts, dict) or parts.keys() != _PARTS or parts["format"] != FORMAT:
        raise BundleInvalid(f"This is no bundle of a playbook of the format {FORMAT}.")
    if canonical != data:
        raise BundleInvalid("The bundle is not canonical JSON: it was written by something else or changed.")
    return parts
