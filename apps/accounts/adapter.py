"""Where allauth asks this portal what it wants."""

from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from allauth.usersessions.models import UserSession


class ClosedAdapter(DefaultAccountAdapter):
    """People are added by `manage.py people add`; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  allauth asks this way
        """Never."""
        return False


class PlacesAdapter(DefaultUserSessionsAdapter):
    """Sessions are ended all at once."""

    def end_sessions(self, sessions: "Iterable[UserSession]") -> None:
        """End them: whoever uses one has to sign in again."""
        from apps.accounts.places import end  # noqa: PLC0415  it needs the models, which are not loaded yet

        end(sessions)


class FactorsAdapter(DefaultMFAAdapter):
    """Passkeys are bound to the portal's own address; secrets of one-time codes are stored encrypted with settings.FIELD_KEY."""

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The site that passkeys are for: `OPSPORTAL_ORIGIN`, whatever host a request names."""
        from apps.accounts.passkeys import site  # noqa: PLC0415  it needs the models, which are not loaded yet

        return {"id": site().rp_id, "name": "opsportal"}

    def get_totp_issuer(self) -> str:
        """What the app shows beside the person's name."""
        return "opsportal"

    def encrypt(self, text: str) -> str:
        """Raises ImproperlyConfigured when there is no key."""
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises ImproperlyConfigured when it was encrypted with another key."""
        try:
            return self._fernet().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "OPSPORTAL_FIELD_KEY is not the key that one-time codes were enrolled with. Restore the old key, or let people "
                "enrol their apps again."
            ) from error

    def _fernet(self) -> Fernet:
        try:
            return Fernet(settings.FIELD_KEY)
        except ValueError as error:
            raise ImproperlyConfigured(
                "OPSPORTAL_FIELD_KEY must be a Fernet key: 32 random bytes in URL-safe base64. See .env.example."
            ) from error
