"""What had become of the lab when a test of it failed: which of its processes were gone, and what they said last."""

from collections.abc import Generator, Iterator

import pytest

from apps.lab import load
from apps.lab.tier import Lab
from tests.plugin import LAB


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add it to the report of a test that asked for the lab."""
    report = yield
    if report.failed and "lab" in getattr(item, "fixturenames", ()):
        report.sections.append(("The lab now", "\n".join(_state(item.config.stash[LAB]))))
    return report


def _state(lab: Lab) -> Iterator[str]:
    living = lab.servers.roster.living()
    yield f"runs: {', '.join(f'{name} ({process.state})' for name, process in living.items())}"
    yield f"load: {load.status(lab.layout).sentence()}"
    for log in sorted(lab.layout.logs.glob("*.log")):
        if log.stem not in living and not log.stem.startswith("culprit-"):
            yield f"{log.stem} is gone; its log ends with:"
            yield from log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
