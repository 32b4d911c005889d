from django.apps import AppConfig


class PartitionsConfig(AppConfig):
    name = "apps.partitions"

    def ready(self) -> None:
        from apps.metrics import inward  # both need the models
        from apps.partitions import own, own_store

        inward.also(own.PORTAL, own_store.told)
