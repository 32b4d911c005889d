from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.ledger.kinds import declare


class AccountsConfig(AppConfig):
    name = "apps.accounts"

    def ready(self) -> None:
        from apps.accounts import (
            batches,  # noqa: F401  receives decisions of a room below
            checks,  # noqa: F401  registers the system checks
            factors,  # noqa: F401  connects to the signals of enrolling
            places,
            statements,  # noqa: F401  connects to Django's signal
        )

        places.connect()
        declare("people.add", _("Person added"), _("{actor} added {name} ({username})."))
        declare("people.grant", _("Role granted"), _("{actor} granted {username} the role {role} on {where}."))
        declare("people.revoke", _("Role revoked"), _("{actor} revoked {username}'s role {role} on {where}."))
        declare("people.disable", _("Person disabled"), _("{actor} disabled {username}; their sessions ended."))
        declare("people.password", _("Password set"), _("{actor} set a new password for {username}."))
        declare("batch.cancel", _("Batch cancelled"), _("{actor} cancelled the batch “{name}” ({number})."))
        declare("people.factor", _("Second factor added"), _("{actor} added a second factor: {what} “{name}”."))
        declare(
            "people.factor-removed", _("Second factor removed"), _("{actor} removed a second factor: {what} “{name}”.")
        )
        declare(
            "people.factors-removed",
            _("Second factors taken away"),
            _("{actor} removed {username}'s second factors ({what}); their sessions ended."),
        )
        declare(
            "people.notices",
            _("Notices chosen"),
            _("{actor} chose whether e-mail tells them that it is their turn: {told}."),
        )
        declare("people.enable", _("Person enabled"), _("{actor} enabled {username} again."))
