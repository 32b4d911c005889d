"""Retention reads a day out of a relation's name only where that is a partition of its table; its grants stay."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "drop_partitions.sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0007_deliveries_to_people")]

    operations = [migrations.RunSQL(SQL.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
