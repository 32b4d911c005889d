"""Faults of the portal itself reach the portal of the tests: what it works on is written down as the demo's is."""

from collections.abc import Iterator, Mapping

import pytest

from apps.lab import environment
from apps.lab.faults import portal
from apps.lab.faults.portal import Portal
from apps.lab.layout import Layout
from apps.lab.tier import Lab


@pytest.fixture
def own(lab: Lab, layout: Layout, transactional_db: None, portal_environment: Mapping[str, str]) -> Iterator[Portal]:
    """The portal of the tests, known to the lab; what is committed is gone afterwards."""
    environment.keep(layout.run, portal_environment)
    yield portal.of(lab.servers)
    environment.forget(layout.run)
