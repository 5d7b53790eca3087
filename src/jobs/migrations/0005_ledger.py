import uuid

from django.db import migrations, models

# The row that the ledger's id lives in, where no worker has made it.
ROW = """
    INSERT INTO jobs_broker (id, epoch, token, ledger) VALUES (1, '', '', gen_random_uuid()) ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_code_and_excuses")]

    operations = [
        migrations.AddField(
            model_name="broker",
            name="ledger",
            field=models.UUIDField(default=uuid.uuid4, editable=False),
        ),
        migrations.AddField(
            model_name="broker",
            name="lost_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="broker",
            name="token",
            field=models.CharField(blank=True, default="", max_length=32),
            preserve_default=False,
        ),
        migrations.RunSQL(ROW, migrations.RunSQL.noop),
    ]
