"""Whether the way back of a week is ready, so that it may be deployed."""

from apps.playbook.plan import Week


def rollback_ready(_week: Week) -> bool:
    """Whether the week's rollback was drilled within its promised time; no playbook asks for a drill yet."""
    return True
