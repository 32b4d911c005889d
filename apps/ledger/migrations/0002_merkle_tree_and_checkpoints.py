"""The tree over the entries, made of those that exist already, and what is signed over it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import sql

SQL = Path(__file__).parent.parent / "sql"


def make(_apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make tables, functions, triggers and grants."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        names = {"app": settings.DATABASE_APP_ROLE, "schema": cursor.fetchone()[0]}
        script = (SQL / "tree.sql").read_text(encoding="utf-8")
        for name, value in names.items():
            script = script.replace(f"{{{name}}}", sql.Identifier(value).as_string(None))
        cursor.execute(script)


class Migration(migrations.Migration):
    """Has no way back: what was signed is not undone."""

    dependencies = [("ledger", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="SignedCheckpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("root", models.BinaryField()),
                ("at", models.DateTimeField()),
                ("note", models.TextField()),
            ],
            options={"managed": False, "db_table": "ledger_checkpoint", "ordering": ("-size",)},
        ),
        migrations.CreateModel(
            name="Finding",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("said", models.TextField()),
            ],
            options={"managed": False, "db_table": "ledger_finding", "ordering": ("-id",)},
        ),
        migrations.RunPython(make),
    ]
