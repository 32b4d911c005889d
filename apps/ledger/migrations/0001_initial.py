"""The ledger's tables are made by SQL of its own; Django only knows that they exist."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import sql

SQL = Path(__file__).parent.parent / "sql"


class NoAppLogin(Exception):
    """The login that serves pages does not exist yet, so the ledger cannot be closed to it."""


def make(_apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make tables, functions, triggers and grants."""
    app = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [app])
        if cursor.fetchone() is None:
            raise NoAppLogin(f"There is no login {app}. Create it first (CREATE ROLE {app} LOGIN), then migrate again.")
        cursor.execute("SELECT current_schema()")
        names = {"app": app, "schema": cursor.fetchone()[0]}
        script = (SQL / "trust.sql").read_text(encoding="utf-8")
        for name, value in names.items():
            script = script.replace(f"{{{name}}}", sql.Identifier(value).as_string(None))
        cursor.execute(script)


class Migration(migrations.Migration):
    """Has no way back: a ledger is not undone."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("actor", models.TextField()),
                ("kind", models.TextField()),
                ("subject", models.TextField()),
                ("tier", models.TextField()),
                ("body", models.BinaryField()),
                ("prev_hash", models.BinaryField()),
                ("hash", models.BinaryField()),
            ],
            options={"managed": False, "db_table": "ledger_entry", "ordering": ("-seq",)},
        ),
        migrations.CreateModel(
            name="Head",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
                ("hash", models.BinaryField()),
            ],
            options={"managed": False, "db_table": "ledger_head"},
        ),
        migrations.RunPython(make),
    ]
