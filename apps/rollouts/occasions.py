"""Deployments as the history of alerts shows them: what was deployed in which week just before an alert."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from apps.metrics.models import Tier
from apps.metrics.occasions import Occasion
from apps.rollouts.models import Deployment


def deployments(tier: Tier, start: datetime, end: datetime) -> Sequence[Occasion]:
    """The deployments of a tier's rollouts in [start, end]."""
    found = Deployment.objects.filter(rollout__tier=tier, at__range=(start, end)).order_by("at")
    return [
        Occasion(one.at, one.what, reverse("rollouts:week", kwargs={"rollout": one.rollout_id, "week": one.week}))
        for one in found
    ]
