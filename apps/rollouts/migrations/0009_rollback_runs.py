"""Runs of rollbacks and their steps; the serving login changes no step that was told, and deletes none of it."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def revoke(_apps: Any, schema_editor: Any) -> None:
    """Where owner and server are one login there is nothing to revoke."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            name = schema_editor.quote_name(role)
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON rollouts_rollbackrun FROM {name}")
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON rollouts_rollbackstep FROM {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0008_watches_and_overrides"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RollbackRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                (
                    "drilled_on",
                    models.CharField(
                        blank=True, choices=[("staging", "on staging"), ("lab", "in the lab")], max_length=8
                    ),
                ),
                ("why", models.TextField(blank=True)),
                ("promised_seconds", models.FloatField()),
                (
                    "took_seconds",
                    models.FloatField(help_text="From the start to the last step that the promise covers.", null=True),
                ),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "end",
                    models.CharField(
                        blank=True,
                        choices=[("finished", "Finished"), ("failed", "Failed"), ("abandoned", "Abandoned")],
                        max_length=10,
                    ),
                ),
                ("end_why", models.TextField(blank=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "pin",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="rollouts.pin"),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="%(class)ss", to="rollouts.rollout"
                    ),
                ),
            ],
            options={
                "ordering": ["-at"],
            },
        ),
        migrations.CreateModel(
            name="RollbackStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("done", "Done"), ("failed", "Failed"), ("skipped", "Not needed")], max_length=8
                    ),
                ),
                ("note", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="steps", to="rollouts.rollbackrun"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="rollbackrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("rollout", "week"), name="rollback_run_once"
            ),
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
