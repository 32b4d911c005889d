"""Files attached to ticks and issues; the serving login may add files and change none."""

from typing import Any

from django.conf import settings
from django.db import migrations, models


def revoke(_apps: Any, schema_editor: Any) -> None:
    """Where owner and server are one login there is nothing to revoke."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            table, login = map(schema_editor.quote_name, ("rollouts_storedfile", role))
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {login}")


class Migration(migrations.Migration):
    dependencies = [("rollouts", "0006_timeline")]

    operations = [
        migrations.CreateModel(
            name="StoredFile",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of the bytes.", max_length=64, primary_key=True, serialize=False
                    ),
                ),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.AddField(
            model_name="tick",
            name="files",
            field=models.JSONField(default=list, help_text="Name, sha256, bytes and type of each attached file."),
        ),
        migrations.AddField(
            model_name="issue",
            name="files",
            field=models.JSONField(default=list, help_text="Name, sha256, bytes and type of each attached file."),
        ),
        migrations.AlterField(
            model_name="tick",
            name="digest",
            field=models.CharField(help_text="SHA-256 of the frozen evidence, value, note and files.", max_length=64),
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
