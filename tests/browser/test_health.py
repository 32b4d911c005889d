"""What machines ask: is the portal alive, is it ready, how is the watched tier."""

from typing import Any

from apps.lab import faults
from apps.lab.tier import Lab
from tests.browser.conftest import People
from tests.conftest import Inject, Until


def answer(person: People, path: str) -> tuple[int, Any]:
    """Status and body of an address, asked by nobody who is logged in."""
    page = person.stranger()
    got = page.request.get(path)
    body = got.json() if "json" in got.headers["content-type"] else got.text()
    page.close()
    return got.status, body


def test_the_health_of_portal_and_tier(person: People, lab: Lab, fault: Inject, until: Until) -> None:
    assert answer(person, "/healthz")[0] == 200
    status, ready = answer(person, "/readyz")
    assert (status, isinstance(ready, dict)) == (200, True), ready
    until(lambda: answer(person, "/health")[1]["status"] == "healthy", 60)

    fault("stop-replica-1")
    until(lambda: answer(person, "/health")[1]["status"] == "degraded", 60)
    status, told = answer(person, "/health/detailed")
    assert status == 200
    connected = {replica["name"]: replica["connected"] for replica in told["services"]["database"]["replicas"]}
    assert connected == {"lab-replica-1": False, "lab-replica-2": True}
    assert told["services"]["database"]["primary"]["connected"]
    assert answer(person, "/readyz")[0] == 200, "the portal does not need the tier it watches"

    faults.heal(lab.servers, "stop-replica-1")
    until(lambda: answer(person, "/health")[1]["status"] == "healthy", 60)


def test_a_tier_that_is_not_there(person: People) -> None:
    status, told = answer(person, "/health?tier=nowhere")
    assert (status, told["status"]) == (404, "unknown")
