from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from offbeat.database.index_operations import BuildIndex


class Migration(migrations.Migration):

    atomic = False  # as building an index beside running traffic needs it

    dependencies = [
        ('offbeat_jobs', '0006_paused_jobs'),
    ]

    # The new one first: workers of the release before find a batch's jobs by either.
    operations = [
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('batch__isnull', False)), fields=['batch', 'state', 'id'], name='offbeat_jobs_batch_state_idx'),
        ),
        RemoveIndexConcurrently(
            model_name='job',
            name='offbeat_jobs_batch_idx',
        ),
    ]
