"""Fields that forms of every room may have."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class MomentField(forms.DateTimeField):
    """A moment in the portal's zone or in the one it names, as UTC: PostgreSQL knows no zone 16 hours away."""

    def to_python(self, value: Any) -> datetime | None:
        """Aware UTC. Raises ValidationError also for what lies outside of the years 1 to 9999 there."""
        found: datetime | None = super().to_python(value)
        try:
            return found.astimezone(UTC) if found else None
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
