"""Walks through decision trees; the serving login adds answers and changes none, and deletes neither."""

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
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON runbooks_walk FROM {name}")
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON runbooks_walkanswer FROM {name}")


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("metrics", "0005_unsent"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Walk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tree", models.CharField(max_length=60)),
                ("definition", models.JSONField(help_text="The tree as it was written then.")),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True, choices=[("helped", "It helped"), ("handed-over", "Handed over")], max_length=12
                    ),
                ),
                ("note", models.TextField(blank=True)),
                (
                    "evidence",
                    models.JSONField(
                        default=list, help_text="The path with its answers and values, frozen at the end."
                    ),
                ),
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
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="walks", to="metrics.tier"
                    ),
                ),
            ],
            options={
                "ordering": ["-at"],
            },
        ),
        migrations.CreateModel(
            name="WalkAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("node", models.CharField(max_length=60)),
                ("then", models.CharField(blank=True, max_length=60)),
                ("note", models.TextField(blank=True)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "walk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="answers", to="runbooks.walk"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
