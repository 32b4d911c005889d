from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from apps.ledger.kinds import declare
from apps.metrics.readers.reach import read
from apps.telemetry import process, readiness


class MetricsConfig(AppConfig):
    name = "apps.metrics"

    def ready(self) -> None:
        from apps.metrics import silence, watchman  # need the models

        readiness.watch("polling", silence.polling)
        if process.NAME == process.WEB:
            watchman.begin()
        try:
            read(settings.NODE_HOSTS)
        except ValueError as error:
            raise ImproperlyConfigured(f"OPSPORTAL_NODE_HOSTS cannot be read: {error}.") from error
        declare("tier.add", _("Tier added"), _("{actor} added the tier {name}."))
        declare("node.add", _("Node added"), _("{actor} added the {kind} node {name} at {address}."))
        declare("node.change", _("Node changed"), _("{actor} changed the {kind} node {name} to {address}."))
        declare("node.remove", _("Node removed"), _("{actor} removed the {kind} node {name}."))
        declare(
            "node.role",
            _("Role changed"),
            _("{node} was found to be {role}; before it was {before}."),
            _("{node} is {role}"),
        )
        declare("alert.acknowledge", _("Alert acknowledged"), _("{actor} acknowledged {check} on {node}: {note}"))
        declare("mute.begin", _("Alerts muted"), _("{actor} muted {what} from {from} to {to}: {reason}"))
        declare("mute.end", _("Mute ended early"), _("{actor} ended the mute of {what} early."))
        declare(
            "threshold.set", _("Thresholds set"), _("{actor} set {check} (warns / fails) from {was} to {now}: {reason}")
        )
        declare("threshold.revert", _("Thresholds reverted"), _("{actor} reverted {check} from {was} to its default."))
        declare("channel.add", _("Channel added"), _("{actor} added the channel {name} ({kind}, {to})."))
        declare("channel.remove", _("Channel removed"), _("{actor} removed the channel {name}."))
