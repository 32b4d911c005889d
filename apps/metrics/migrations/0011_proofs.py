"""Which check was proved by which fault, and when."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metrics", "0010_upkeep"),
    ]

    operations = [
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("check_id", models.CharField(max_length=80)),
                ("fault", models.CharField(max_length=80)),
                ("put_in_at", models.DateTimeField()),
                ("fired_at", models.DateTimeField(null=True)),
                ("state", models.CharField(blank=True, choices=[("warn", "warn"), ("fail", "fail")], max_length=16)),
                ("value", models.FloatField(null=True)),
                (
                    "node",
                    models.CharField(
                        blank=True, help_text="Where it fired; empty: on the tier as a whole.", max_length=60
                    ),
                ),
                ("object", models.CharField(blank=True, max_length=200)),
                ("passed_at", models.DateTimeField(null=True)),
                (
                    "portal",
                    models.CharField(
                        blank=True, help_text="The portal's version, and its commit if known.", max_length=80
                    ),
                ),
                (
                    "postgresql",
                    models.CharField(blank=True, help_text="Version of that node, or of the primary.", max_length=40),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="proofs", to="metrics.tier"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("passed_at", None)),
                        fields=("tier", "check_id", "fault"),
                        name="proof_awaited_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("passed_at__isnull", False)),
                        fields=("tier", "check_id", "fault"),
                        name="proof_newest",
                    ),
                ],
            },
        ),
    ]
