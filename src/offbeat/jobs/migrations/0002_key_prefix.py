from django.db import migrations, models

from offbeat.database.index_operations import BuildIndex


class Migration(migrations.Migration):

    atomic = False  # as building an index beside running traffic needs it

    dependencies = [
        ('offbeat_jobs', '0001_initial'),
    ]

    operations = [
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('key__isnull', False)), fields=['key'], name='offbeat_jobs_key_prefix_idx', opclasses=['varchar_pattern_ops']),
        ),
    ]
