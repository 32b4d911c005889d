from django.apps import AppConfig


class RolloutsConfig(AppConfig):
    name = "apps.rollouts"

    def ready(self) -> None:
        from apps.metrics import occasions
        from apps.rollouts import entries
        from apps.rollouts.occasions import deployments

        occasions.declare("deployments", deployments)
        entries.declare_all()
