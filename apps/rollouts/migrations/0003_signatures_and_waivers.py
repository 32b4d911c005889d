"""Signatures by passkey with their proof, statements drawn up before they are signed, signed revocations, waivers.

As of everything that a rollout remembers, the serving login may delete no revocation and no waiver; drafts are not remembered.
"""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def revoke(_apps: Any, schema_editor: Any) -> None:
    """Where owner and server are one login there is nothing to revoke."""
    role = settings.DATABASE_APP_ROLE
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone():
            name = schema_editor.quote_name(role)
            cursor.execute(f"REVOKE DELETE, TRUNCATE ON rollouts_revocation, rollouts_waiver FROM {name}")


class Migration(migrations.Migration):
    dependencies = [
        ("rollouts", "0002_nothing_is_deleted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                (
                    "act",
                    models.CharField(
                        choices=[("sign", "Sign"), ("revoke", "Revoke"), ("waive", "Waive"), ("restore", "Restore")],
                        max_length=8,
                    ),
                ),
                ("slot", models.CharField(blank=True, max_length=60)),
                ("covers", models.CharField(blank=True, max_length=64)),
                ("statement", models.BinaryField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                ("statement", models.BinaryField()),
                ("digest", models.CharField(help_text="SHA-256 of the statement.", max_length=64)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("passkey", "passkey"),
                            ("password", "password, server-attested"),
                            ("password+totp", "password and one-time code, server-attested"),
                        ],
                        default="password",
                        max_length=24,
                    ),
                ),
                ("passkey", models.JSONField(null=True)),
                ("why", models.TextField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Waiver",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("statement", models.BinaryField()),
                ("digest", models.CharField(help_text="SHA-256 of the statement.", max_length=64)),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("passkey", "passkey"),
                            ("password", "password, server-attested"),
                            ("password+totp", "password and one-time code, server-attested"),
                        ],
                        default="password",
                        max_length=24,
                    ),
                ),
                ("passkey", models.JSONField(null=True)),
                ("at", models.DateTimeField()),
                ("why", models.TextField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="signature",
            name="one_slot_a_person",
        ),
        migrations.AddField(
            model_name="signature",
            name="passkey",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="signature",
            name="waived",
            field=models.BooleanField(
                default=False, help_text="Only a waiver of the separation of duties let this person sign."
            ),
        ),
        migrations.AlterField(
            model_name="signature",
            name="digest",
            field=models.CharField(help_text="SHA-256 of the statement.", max_length=64),
        ),
        migrations.AlterField(
            model_name="signature",
            name="method",
            field=models.CharField(
                choices=[
                    ("passkey", "passkey"),
                    ("password", "password, server-attested"),
                    ("password+totp", "password and one-time code, server-attested"),
                ],
                default="password",
                max_length=24,
            ),
        ),
        migrations.AddConstraint(
            model_name="signature",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at", None), ("waived", False)),
                fields=("rollout", "week", "by"),
                name="one_slot_a_person",
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="rollout",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="%(class)ss", to="rollouts.rollout"
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="rollout",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="%(class)ss", to="rollouts.rollout"
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="signature",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="revocation", to="rollouts.signature"
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="ended_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="waiver",
            name="rollout",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="waivers", to="rollouts.rollout"
            ),
        ),
        migrations.AddConstraint(
            model_name="waiver",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)), fields=("rollout",), name="waiver_once"
            ),
        ),
        migrations.RunPython(revoke, migrations.RunPython.noop),
    ]
