"""What is read from files: the playbook."""

from collections.abc import Iterator

from django.conf import settings

from apps.overview.doctor.finding import Finding, State
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.validate import load


def examine() -> Iterator[Finding]:
    """Needs nothing that could be away."""
    yield _playbook()


def _playbook() -> Finding:
    of = ("written.playbook", "Playbook")
    try:
        playbook = load(settings.PLAYBOOK)
    except PlaybookInvalid as error:
        first, *more = error.mistakes
        told = f"{first}{f' And {len(more)} more.' if more else ''}"
        return Finding(*of, State.FAILURE, told, "Mend what this names:", ("python manage.py playbook check",))
    return Finding(
        *of, State.FINE, f"{len(playbook.weeks)} weeks and {len(playbook.runbooks)} runbooks in {settings.PLAYBOOK}"
    )
