"""The newest samples for scrapers, where history is kept elsewhere."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metrics", "0008_drop_partitions_by_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Newest",
            fields=[
                (
                    "series",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="metrics.series",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("value", models.FloatField(null=True)),
            ],
        ),
    ]
