"""Amendments: a newer definition adopted for one week, signed; the serving login changes none of them and deletes none."""

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
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON rollouts_amendment FROM {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0009_rollback_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="draft",
            name="act",
            field=models.CharField(
                choices=[
                    ("sign", "Sign"),
                    ("revoke", "Revoke"),
                    ("waive", "Waive"),
                    ("restore", "Restore"),
                    ("amend", "Amend"),
                ],
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="Amendment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                ("statement", models.BinaryField()),
                ("digest", models.CharField(help_text="SHA-256 of the statement.", max_length=64)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("passkey", "passkey"),
                            ("password", "password, server-attested"),
                            ("password+totp", "password and one-time code, server-attested"),
                        ],
                        default="password",
                        max_length=24,
                    ),
                ),
                ("passkey", models.JSONField(null=True)),
                ("why", models.TextField()),
                (
                    "rewatch",
                    models.BooleanField(
                        default=False, help_text="The watch is another one: what was watched before does not count."
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
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
                "ordering": ["pk"],
            },
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
