"""The serving login may add to what a rollout remembers and mark it undone, but delete none of it."""

from typing import Any

from django.conf import settings
from django.db import migrations

MODELS = ("Pin", "Rollout", "Tick", "Reading", "Baseline", "Deployment", "Issue", "Signature")


def revoke(_apps: Any, schema_editor: Any) -> None:
    """Where owner and server are one login there is nothing to revoke."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            tables = ", ".join(schema_editor.quote_name(f"rollouts_{name.lower()}") for name in MODELS)
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON {tables} FROM {schema_editor.quote_name(role)}")


class Migration(migrations.Migration):
    dependencies = [("rollouts", "0001_initial")]

    operations = [migrations.RunPython(revoke, migrations.RunPython.noop)]
