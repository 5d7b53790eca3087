from django.db import migrations


class Migration(migrations.Migration):
    """Takes the whole table for a moment, changes nothing that a model knows, and may be done again: what a release waits for."""

    dependencies = [("effects", "0001_initial")]
    operations = [
        migrations.RunSQL("ALTER TABLE effects_effect ALTER COLUMN pid SET DEFAULT 0", migrations.RunSQL.noop)
    ]
