"""What was made and dropped of history's partitions is written down; a table of it that is locked is tried again later."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql" / "keep_partitions.sql"
FUNCTION = "metrics_make_partitions(text, date, int)"


def grant(_apps: Any, schema_editor: Any) -> None:
    """Let the serving login call the new function; where owner and server are one login there is nothing to grant."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            cursor.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {schema_editor.quote_name(role)}")


class Migration(migrations.Migration):
    dependencies = [("metrics", "0009_newest")]

    operations = [
        migrations.CreateModel(
            name="Upkeep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("parent", models.CharField(max_length=63)),
                ("deed", models.CharField(choices=[("make", "made"), ("drop", "dropped")], max_length=4)),
                ("at", models.DateTimeField(db_index=True)),
                ("partitions", models.IntegerField(default=0)),
                ("error", models.TextField(blank=True)),
                ("tries", models.IntegerField(default=1)),
                ("tried_at", models.DateTimeField()),
                ("over_at", models.DateTimeField(null=True)),
            ],
            options={"ordering": ["-tried_at", "-id"]},
        ),
        migrations.AddConstraint(
            model_name="upkeep",
            constraint=models.UniqueConstraint(
                condition=~models.Q(error="") & models.Q(over_at=None),
                fields=("parent", "deed"),
                name="upkeep_fails_once",
            ),
        ),
        migrations.RunSQL(SQL.read_text(encoding="utf-8"), migrations.RunSQL.noop),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
