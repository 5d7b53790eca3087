from django.db import migrations, models

from offbeat.database.index_operations import BuildIndex


class Migration(migrations.Migration):

    atomic = False  # as building an index beside running traffic needs it

    dependencies = [
        ('offbeat_jobs', '0005_pauses'),
    ]

    operations = [
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('reason__startswith', 'paused: '), ('state', 'pending')), fields=['reason', '-priority', 'due_at'], name='offbeat_jobs_paused_idx'),
        ),
    ]
