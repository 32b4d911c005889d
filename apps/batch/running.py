"""Which jobs are run by somebody now: their process holds an advisory lock, which dies with it."""

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

from apps.batch.job import LOCK_CLASS
from apps.batch.models import Job
from apps.batch.result import State
from apps.batch.tables import script


def held() -> frozenset[int]:
    """The numbers (modulo 2³¹) of the jobs that a living process runs."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(script("held").decode(), {"class": LOCK_CLASS})
        return frozenset(row[0] for row in cursor.fetchall())


def told(jobs: QuerySet[Job] | list[Job]) -> list[Job]:
    """Jobs as they really stand: one that says it runs and whose process is gone was broken off."""
    found = list(jobs)
    if any(job.state == State.RUNNING for job in found):
        alive = held()
        for job in found:
            if job.state == State.RUNNING and job.pk % 2**31 not in alive:
                job.state = State.BROKEN
    return found
