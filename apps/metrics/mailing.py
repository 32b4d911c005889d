"""Sending a mail, and whom of several recipients the server did not take it for: Django's own backend keeps silent about that."""

import smtplib
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

Codes = dict[str, int]


class Backend(EmailBackend):
    """`refused`: the server's code for each recipient of the last mail that it refused while it took the mail for others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refused: Codes = {}

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """What speaks SMTP, made to leave word here."""
        refused = self.refused

        class Speaking(super().connection_class):  # type: ignore[misc]
            def sendmail(self, *args: Any, **kwargs: Any) -> dict[str, tuple[int, bytes]]:
                found: dict[str, tuple[int, bytes]] = super().sendmail(*args, **kwargs)
                refused.update({recipient: code for recipient, (code, _text) in found.items()})
                return found

        return Speaking


def send(mail: EmailMessage) -> Codes:
    """
    Send a mail to all its recipients; the code for each whom the server refused while it took the mail for others.

    Raises:
        smtplib.SMTPException, OSError: it took it for nobody.
    """
    backend = Backend()
    backend.send_messages([mail])
    return backend.refused
