from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from offbeat.database.index_operations import BuildIndex


class Migration(migrations.Migration):

    atomic = False  # as building an index beside running traffic needs it

    dependencies = [
        ('offbeat_jobs', '0003_django_tasks'),
    ]

    # The new ones first: workers of the release before find what they look for by either.
    operations = [
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['due_at'], name='offbeat_jobs_due_idx'),
        ),
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['priority', 'publish_at'], name='offbeat_jobs_relay_idx'),
        ),
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('state', 'published')), fields=['queue', 'priority', 'published_at'], name='offbeat_jobs_levels_idx'),
        ),
        BuildIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('reason', 'waits for another job of the same concurrency_key'), ('state', 'pending')), fields=['concurrency_key', '-priority', 'id'], name='offbeat_jobs_keys_idx'),
        ),
        RemoveIndexConcurrently(
            model_name='job',
            name='offbeat_jobs_pending_idx',
        ),
        RemoveIndexConcurrently(
            model_name='job',
            name='offbeat_jobs_published_idx',
        ),
        RemoveIndexConcurrently(
            model_name='job',
            name='offbeat_jobs_waiting_idx',
        ),
    ]
