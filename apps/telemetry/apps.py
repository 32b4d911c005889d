from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "apps.telemetry"

    def ready(self) -> None:
        from apps.telemetry import carrying, monitor, sessions, tracing, uncaught, windows  # noqa: F401  connect to Celery, to the outbox

        uncaught.begin()
        monitor.begin_watching()
        sessions.begin_naming()
        tracing.begin()
