from django.apps import AppConfig


class LabConfig(AppConfig):
    name = "apps.lab"

    def ready(self) -> None:
        from apps.lab import trials
        from apps.lab.switches import BACK
        from apps.metrics import proofs
        from apps.rollouts import commands
        from apps.rollouts.models import DrilledOn

        for week, switches in BACK.items():
            typed = [f"manage.py lab load set {switch} off" for switch in switches]
            commands.declare(DrilledOn.LAB, week, typed)
        proofs.declare(trials.declared())
