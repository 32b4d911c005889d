"""Watches, what they observe, and overrides; the serving login deletes none of it and rewrites no observation."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KEPT = ("Watch", "Override")  # marked when they end
WRITTEN_ONCE = ("Observation", "Look")


def revoke(_apps: Any, schema_editor: Any) -> None:
    """Where owner and server are one login there is nothing to revoke."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            for models_, rights in ((KEPT, "DELETE, TRUNCATE"), (WRITTEN_ONCE, "UPDATE, DELETE, TRUNCATE")):
                tables = ", ".join(schema_editor.quote_name(f"rollouts_{name.lower()}") for name in models_)
                cursor.execute(f"REVOKE {rights} ON {tables} FROM {schema_editor.quote_name(role)}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0007_attached_files"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Override",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                ("scope", models.CharField(help_text="gate:…, item:… or check:…", max_length=120)),
                ("title", models.TextField(help_text="What is overridden, in words.")),
                ("verdict", models.CharField(help_text="What it said when it was overridden.", max_length=12)),
                ("reason", models.TextField()),
                ("expires_at", models.DateTimeField()),
                ("critical", models.BooleanField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.TextField(blank=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="%(class)ss", to="rollouts.rollout"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                (
                    "begins",
                    models.DateTimeField(help_text="When the first interval begins: its start and the initial delay."),
                ),
                ("ends", models.DateTimeField()),
                (
                    "terms",
                    models.JSONField(help_text="Nodes and thresholds of each entry, as they were when it was started."),
                ),
                ("tallies", models.JSONField(default=dict, help_text="What was observed so far, by entry.")),
                ("state", models.CharField(blank=True, max_length=12)),
                ("said", models.TextField(blank=True, help_text="Why it ended so.")),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "digest",
                    models.CharField(blank=True, help_text="SHA-256 of terms, tallies and outcome.", max_length=64),
                ),
                (
                    "aborted_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="watches", to="rollouts.rollout"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.CreateModel(
            name="Observation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entry", models.CharField(max_length=80)),
                ("number", models.IntegerField(help_text="Of the interval, counted from 0.")),
                ("at", models.DateTimeField(help_text="When the interval ended.")),
                ("state", models.CharField(max_length=12)),
                ("value", models.FloatField(null=True)),
                (
                    "watch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="observations", to="rollouts.watch"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Look",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entry", models.CharField(max_length=80)),
                ("number", models.IntegerField(help_text="Of the interval between looks, counted from 0.")),
                ("at", models.DateTimeField()),
                ("fine", models.BooleanField()),
                ("note", models.TextField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "watch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="looks", to="rollouts.watch"
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.AddConstraint(
            model_name="watch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("rollout", "week"), name="watch_runs_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="observation",
            constraint=models.UniqueConstraint(fields=("watch", "entry", "number"), name="observed_once"),
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
