"""The rollout's own switches: what of the five blocks is live in the messaging application.

They are one small file in the lab directory. The application re-reads it when it changes, so a switch takes effect
without a restart.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

FILE = "switches.json"
_ON, _OFF = {"on", "true", "yes", "1"}, {"off", "false", "no", "0"}


class Limits(StrEnum):
    """How far the rate limits go: not at all, counted only, or answered with 429."""

    OFF = "off"
    MONITOR = "monitor"
    ENFORCE = "enforce"


class UnknownSwitch(ValueError):
    """No such switch, or no such position of it; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Positions of all switches; at first everything is off, as before week 1."""

    structured_logs: bool = False
    replica_reads: bool = False
    pooler: bool = False
    cache: bool = False
    limits: Limits = Limits.OFF
    partitioned_tables: bool = False

    def turned(self, name: str, position: str) -> "Switches":
        """A copy with one switch moved; raises UnknownSwitch.

        >>> Switches().turned("cache", "on").cache
        True
        >>> Switches().turned("limits", "monitor").limits
        <Limits.MONITOR: 'monitor'>
        """
        if name not in NAMES:
            raise UnknownSwitch(f"There is no switch {name!r}. The switches are: {', '.join(NAMES)}.")
        values: dict[str, Any] = {name: _limits(position) if name == "limits" else _flag(name, position)}
        return replace(self, **values)


NAMES = tuple(field.name for field in fields(Switches))
BACK = {
    "week-1-2": ("structured_logs",),
    "week-3-4": ("replica_reads",),
    "week-5-6": ("pooler",),
    "week-7": ("cache", "limits"),
    "week-8": ("partitioned_tables",),
}
"""What is switched off to take a block of the default playbook back."""
ROLLED_OUT = Switches(True, True, True, True, Limits.ENFORCE, True)  # as after week 8


def read(path: Path) -> Switches:
    """The switches of a file, all off where there is none; raises UnknownSwitch when it cannot be understood."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Switches()
    except ValueError as error:
        raise UnknownSwitch(f"{path} is not JSON ({error}). Remove it: all switches are then off.") from error
    if not isinstance(plain, dict):
        raise UnknownSwitch(f"{path} holds no object. Remove it: all switches are then off.")
    switches = Switches()
    for name, position in plain.items():
        switches = switches.turned(name, str(position).lower())
    return switches


def write(path: Path, switches: Switches) -> None:
    """Put the file in place at once; every process may read it, for it holds no secret."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(asdict(switches), indent=2) + "\n", encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(path)


class SwitchBoard:
    """The switches as they stand now, re-read only when the file changed (one `stat` a call)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = -1
        self._switches = Switches()

    def now(self) -> Switches:
        """Current positions. A file that cannot be understood changes nothing: the last good positions stand."""
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            stamp = 0
        if stamp != self._stamp:
            with suppress(UnknownSwitch):
                self._switches = read(self._path)
            self._stamp = stamp
        return self._switches


def _flag(name: str, position: str) -> bool:
    if position in _ON | _OFF:
        return position in _ON
    raise UnknownSwitch(f"{name} is turned {position!r}: write on or off.")


def _limits(position: str) -> Limits:
    try:
        return Limits(position)
    except ValueError:
        raise UnknownSwitch(f"limits is turned {position!r}: write {', '.join(Limits)}.") from None
