"""A copy of a playbook for rehearsing it: the same in everything but its watches, which last minutes instead of a day.

The watches' definition is shortened, never the time: a rehearsed watch is measured, judged and signed as a real one is. A rollout that was
started on the copy says so in its pin.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from apps.playbook.plan import Watch, WatchEntry
from apps.playbook.validate import load

FOLDER = "playbook"
LENGTH = timedelta(minutes=10)
SHORTEST = timedelta(seconds=20)
"""Two polls: one that comes late leaves no interval without a measurement."""


def write(source: Path, target: Path, length: timedelta = LENGTH) -> Path:
    """
    Copy a playbook's folder to `target`, with watches of at most `length`; what is there already is replaced.

    Raises:
        PlaybookInvalid: the source has mistakes; nothing was written then.
        ValueError: it is the copy itself, or a week's watch does not begin on a line of its own.
    """
    if source.resolve() == target.resolve():
        raise ValueError(
            f"{target} is the shortened copy itself. Unset OPSPORTAL_PLAYBOOK, or name the playbook it is to be made from."
        )
    playbook = load(source)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    for week in playbook.weeks:
        if week.watch is not None:
            path = target / "weeks" / f"{week.slug}.yaml"
            lines = path.read_text(encoding="utf-8").splitlines()
            path.write_text("\n".join(_with_watch(lines, shortened(week.watch, length))) + "\n", encoding="utf-8")
    load(target)
    return target


def shortened(watch: Watch, length: timedelta) -> Watch:
    """
    A watch that is over after `length`: intervals and tolerated failures in proportion, and one look of a person at each thing.

    >>> entry = WatchEntry(slug="lag", title="Lag", check="a.b", every=timedelta(minutes=1), max_tolerated_failures=30)
    >>> short = shortened(Watch(length=timedelta(hours=24), entries=(entry,)), timedelta(minutes=10))
    >>> (short.entries[0].every.seconds, short.entries[0].max_tolerated_failures)
    (20, 1)
    """
    if watch.length <= length:
        return watch
    share = length / watch.length
    entries = tuple(_shortened(entry, watch, length, share) for entry in watch.entries)
    return replace(watch, length=length, initial_delay=watch.initial_delay * share, entries=entries)


def _shortened(entry: WatchEntry, watch: Watch, length: timedelta, share: float) -> WatchEntry:
    look_every = length if entry.look_every else None
    if entry.every is None:
        return replace(entry, look_every=look_every)
    every = max(entry.every * share, SHORTEST)
    tolerated = entry.max_tolerated_failures * (length / every) / (watch.length / entry.every)
    most = max(round(tolerated), min(entry.max_tolerated_failures, 1))
    return replace(entry, every=every, look_every=look_every, max_tolerated_failures=most)


def _with_watch(lines: list[str], watch: Watch) -> list[str]:
    """The lines of a week's file with another watch: from its key to the next key that is not indented."""
    if "watch:" not in lines:
        raise ValueError("A watch is shortened where `watch:` stands on a line of its own, with its keys below.")
    first = lines.index("watch:")
    behind = range(first + 1, len(lines))
    after = next((n for n in behind if lines[n] and not lines[n].startswith((" ", "#"))), len(lines))
    return [*lines[:first], *_written(watch), "", *lines[after:]]


def _written(watch: Watch) -> Iterator[str]:
    yield "watch:"
    yield f"  length: {_seconds(watch.length)}"
    if watch.initial_delay:
        yield f"  initial_delay: {_seconds(watch.initial_delay)}"
    yield f"  coverage: {watch.coverage:g}"
    yield f"  max_gap: {watch.max_gap}"
    yield f"  differs: {json.dumps('Shortened for a rehearsal. ' + watch.differs, ensure_ascii=False)}"
    yield "  entries:"
    yield from (f"    - {{{', '.join(_entry(entry))}}}" for entry in watch.entries)


def _entry(entry: WatchEntry) -> Iterator[str]:
    yield f"slug: {entry.slug}"
    yield f"title: {json.dumps(entry.title, ensure_ascii=False)}"
    if entry.every:
        yield f"check: {entry.check}"
        yield f"every: {_seconds(entry.every)}"
    if entry.look_every:
        yield f"look_every: {_seconds(entry.look_every)}"
    yield f"max_tolerated_failures: {entry.max_tolerated_failures}"
    yield f"consecutive_errors_allowed: {entry.consecutive_errors_allowed}"


def _seconds(length: timedelta) -> str:
    return f"{round(length.total_seconds())} s"
