"""Who was told that something waits for them; the serving login deletes none of it."""

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
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON rollouts_notice FROM {schema_editor.quote_name(role)}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0010_amendments"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(help_text="Names the occasion within the rollout while it lasts.", max_length=200),
                ),
                ("text", models.TextField()),
                ("told", models.JSONField(default=list, help_text="User names of those who were told.")),
                ("at", models.DateTimeField()),
                ("over_at", models.DateTimeField(null=True)),
                (
                    "rollout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="notices", to="rollouts.rollout"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("over_at", None)), fields=("rollout", "key"), name="notice_once"
                    )
                ],
            },
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
