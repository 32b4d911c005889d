"""Worker and beat, by what they wrote into the store; nobody is asked through Celery, where a dead one could not answer."""

from collections.abc import Iterator
from datetime import UTC, datetime

from django.db import DatabaseError

from apps.metrics.lives import Polling, polling_since
from apps.metrics.units import duration
from apps.overview.doctor.finding import Finding, State
from apps.telemetry import readiness

STARTS = {"worker": "celery -A opsportal worker -P threads -c 8", "beat": "celery -A opsportal beat"}


def examine(polling: readiness.Part) -> Iterator[Finding]:
    """`polling`: what readiness found of it. Asks the store."""
    try:
        found = polling_since(None)
    except DatabaseError as error:
        yield Finding("programs.worker", "Worker", State.UNKNOWN, f"the store did not say ({type(error).__name__})")
        return
    yield _life("worker", found)
    yield _life("beat", found)
    if polling.ready:
        yield Finding("programs.polling", "Polling", State.FINE, polling.detail)
    else:
        what, _stop, remedy = polling.detail.partition(". ")
        yield Finding("programs.polling", "Polling", State.FAILURE, what, remedy)


def _life(name: str, found: Polling) -> Finding:
    of = (f"programs.{name}", name.capitalize())
    seen, alive = (
        (found.worker_seen_at, found.worker_alive) if name == "worker" else (found.beat_seen_at, found.beat_alive)
    )
    if alive:
        return Finding(*of, State.FINE, "lives")
    told = f"silent for {duration((datetime.now(UTC) - seen).total_seconds())}" if seen else "was never started here"
    return Finding(*of, State.FAILURE, told, "Start it, then read its log:", (STARTS[name],))
