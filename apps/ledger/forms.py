"""Fields that forms of every room may have."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime


class MomentInput(forms.DateTimeInput):
    """Typed in the person's zone: the page's script shows `data-moment` in it and sends what is typed with its zone (`app.js`).

    Without the script it is the portal's zone, which the label names.
    """

    def __init__(self) -> None:
        super().__init__(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Also for what was sent with its zone, which the control itself would not show."""
        moment = _moment(value)
        known = {} if moment is None else {"data-moment": moment.isoformat()}
        shown = value if moment is None else timezone.localtime(moment)
        return super().get_context(name, shown, (attrs or {}) | known)


def _moment(value: Any) -> datetime | None:
    try:
        found = value if isinstance(value, datetime) else parse_datetime(str(value or ""))
        return found and (found if timezone.is_aware(found) else timezone.make_aware(found)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class MomentField(forms.DateTimeField):
    """A moment in the portal's zone or in the one it names, as UTC: PostgreSQL knows no zone 16 hours away."""

    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        """Aware UTC. Raises ValidationError also for what lies outside of the years 1 to 9999 there."""
        found: datetime | None = super().to_python(value)
        try:
            return found.astimezone(UTC) if found else None
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
