"""Comparisons are kept; the serving login may supersede one, but delete none."""

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
            table = schema_editor.quote_name("rollouts_comparison")
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON {table} FROM {schema_editor.quote_name(role)}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0003_signatures_and_waivers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Comparison",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                ("state", models.CharField(help_text="The worst of all answers.", max_length=12)),
                ("said", models.TextField(help_text="The outcome in one sentence.")),
                ("results", models.JSONField(help_text="One answer a metric.")),
                (
                    "samples",
                    models.JSONField(
                        help_text="What was compared: [Unix seconds, value] pairs before and after, by metric."
                    ),
                ),
                ("digest", models.CharField(help_text="SHA-256 of answers and samples.", max_length=64)),
                ("superseded_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
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
                "ordering": ["-at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at", None)), fields=("rollout", "week"), name="comparison_once"
                    )
                ],
            },
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
