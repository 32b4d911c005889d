"""History in levels of chunks beside the rows of the last days, and the functions that keep them."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "levels.sql"
TABLES = "metrics_history_table, metrics_sealed, metrics_chunk_raw, metrics_chunk_5m, metrics_chunk_1h"
FUNCTIONS = (
    "metrics_make_partitions(date, int), metrics_drop_partitions(text, date), metrics_sealed_until(), "
    "metrics_keep_chunks(text, timestamptz, bigint[], bytea[])"
)


def grant(_apps: Any, schema_editor: Any) -> None:
    """Let the serving login read, and call the functions; where owner and server are one login there is nothing to grant."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            quoted = schema_editor.quote_name(role)
            cursor.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTIONS} TO {quoted}")
            cursor.execute(f"REVOKE ALL ON {TABLES} FROM {quoted}")
            cursor.execute(f"GRANT SELECT ON {TABLES} TO {quoted}")
            cursor.execute(f"GRANT INSERT, UPDATE ON metrics_sealed TO {quoted}")


class Migration(migrations.Migration):
    dependencies = [("metrics", "0003_alerting")]

    operations = [
        migrations.RunSQL(SQL.read_text(encoding="utf-8"), migrations.RunSQL.noop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
