"""A report for a terminal: an aligned line a finding, what to do below it, the verdict last."""

from collections.abc import Iterator
from itertools import groupby

from apps.overview.doctor.finding import Finding, Report, State

MARKS = {State.FINE: "●", State.WARNING: "▲", State.FAILURE: "■", State.UNKNOWN: "◌"}
HEADS = {
    "settings": "Settings",
    "written": "Files",
    "store": "Store (PostgreSQL)",
    "redis": "Redis",
    "programs": "Programs",
    "trust": "Keys and ledger",
    "outgoing": "Who is told",
    "nodes": "Nodes",
}


def told(report: Report) -> Iterator[str]:
    """Line by line. What servers wrote is shown as text: nothing in it acts on the terminal."""
    width = max(len(finding.title) for finding in report.findings)
    for head, found in groupby(report.findings, key=_head):
        yield head
        for finding in found:
            yield from _lines(finding, width)
        yield ""
    yield f"{MARKS[report.state]} {report.sentence}"


def _head(finding: Finding) -> str:
    return f"{finding.tier}: {finding.node}" if finding.node else HEADS[finding.id.partition(".")[0]]


def _lines(finding: Finding, width: int) -> Iterator[str]:
    yield f"  {MARKS[finding.state]} {finding.title:{width}}  {plain(finding.detail)}"
    if finding.remedy:
        yield f"    {'':{width}}  → {plain(finding.remedy)}"
    for command in finding.commands:
        yield f"    {'':{width}}    {plain(command)}"


def plain(text: str) -> str:
    r"""Text in one line that is only text.

    >>> plain("a\x1b[2Jb\n")
    'a\\u001b[2Jb\\u000a'
    """
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text.replace("\xa0", " "))
