"""The day-partitioned tables of history and the two functions that make and drop their partitions."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "partitions.sql"
FUNCTIONS = "metrics_make_partitions(date, int), metrics_drop_partitions(date)"


def grant(_apps: Any, schema_editor: Any) -> None:
    """Let the serving login call the functions; where owner and server are one login there is nothing to grant."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            quoted = schema_editor.quote_name(role)
            cursor.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTIONS} TO {quoted}")
            cursor.execute(f"REVOKE ALL ON metrics_sample, metrics_poll FROM {quoted}")
            cursor.execute(f"GRANT SELECT, INSERT ON metrics_sample, metrics_poll TO {quoted}")


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]

    operations = [
        migrations.RunSQL(
            SQL.read_text(encoding="utf-8"),
            "DROP TABLE metrics_sample, metrics_poll; DROP FUNCTION " + FUNCTIONS,
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
