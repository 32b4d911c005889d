from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "apps.telemetry"

    def ready(self) -> None:
        from apps.telemetry import carrying  # noqa: F401  connects to Celery's signals
