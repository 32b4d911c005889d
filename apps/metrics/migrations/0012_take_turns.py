"""Workers that make or drop the same partitions at once take turns; the functions' grants stay."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql" / "take_turns.sql"


class Migration(migrations.Migration):
    dependencies = [("metrics", "0011_proofs")]

    operations = [migrations.RunSQL(SQL.read_text(encoding="utf-8"), migrations.RunSQL.noop)]
