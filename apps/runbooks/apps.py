from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.ledger.kinds import declare


class RunbooksConfig(AppConfig):
    name = "apps.runbooks"

    def ready(self) -> None:
        declare(
            "walk.begin",
            _("Walk begun"),
            _("{actor} began to walk through “{tree}”."),
            _("walk begun"),
            small=True,
        )
        declare("walk.answer", _("Walk: answer"), _("{actor} answered “{question}”: {answer}"))
        declare("walk.end", _("Walk ended"), _("{actor} ended the walk through “{tree}”: {outcome}. {note}"))
