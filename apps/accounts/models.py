"""People and the roles granted to them. Changes go through `grants`, so that the ledger knows of each."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.roles import Role


class Person(AbstractUser):
    """Somebody who logs in. `is_staff` and `is_superuser` mean nothing here: only granted roles do."""

    display_name = models.CharField(_("name"), max_length=120, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    chat = models.CharField(_("chat"), max_length=80, blank=True)
    tell_turns = models.BooleanField(
        _("tell me by e-mail when it is my turn"),
        default=True,
        help_text=_("That something waits for a role you hold. Told once each time, with the address of the page."),
    )
    # Wrong passwords while signing; kept here and not in Redis, so that signing does not depend on Redis.
    password_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    password_locked_until = models.DateTimeField(null=True, blank=True, editable=False)

    held: tuple[tuple[Role, str], ...] | None = None
    """Role and tier of each grant, where they were read together with the person (`sessions`); see `roles.roles_of`."""

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def told_by_mail(self) -> bool:
        """Whether notices reach this person: in use, an address known, not switched off."""
        return bool(self.is_active and self.email and self.tell_turns)


class RoleGrant(models.Model):
    """One role of one person, on one tier or (empty slug) on every tier. Revoking removes the row; the ledger remembers."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices)
    tier_slug = models.SlugField(max_length=50, blank=True)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("role", "tier_slug")
        constraints = (
            models.UniqueConstraint(fields=["person", "role", "tier_slug"], name="accounts_one_grant"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="accounts_known_role"),
        )

    def __str__(self) -> str:
        return f"{self.role} on {self.tier_slug or 'every tier'}"

    @property
    def label(self) -> str:
        """The role in words."""
        return str(Role(self.role).label)
