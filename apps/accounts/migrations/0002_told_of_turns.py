"""Whether a person is told by e-mail that it is their turn."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="person",
            name="tell_turns",
            field=models.BooleanField(
                default=True,
                help_text="That something waits for a role you hold. Told once each time, with the address of the page.",
                verbose_name="tell me by e-mail when it is my turn",
            ),
        ),
    ]
