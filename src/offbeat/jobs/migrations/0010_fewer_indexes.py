from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False  # as removing an index beside running traffic needs it

    dependencies = [
        ('offbeat_jobs', '0009_cheaper_updates'),
    ]

    # Workers of the release before find a batch's unfinished jobs by offbeat_jobs_batch_state_idx.
    operations = [
        RemoveIndexConcurrently(
            model_name='job',
            name='offbeat_jobs_unfinished_idx',
        ),
    ]
