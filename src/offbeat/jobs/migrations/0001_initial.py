import django.db.models.deletion
import django.db.models.functions.datetime
import offbeat.jobs.identity
import uuid
from django.db import migrations, models


# The row that the ledger's id lives in, where no worker has made it.
ROW = "INSERT INTO offbeat_jobs_broker (id, token, ledger) VALUES (1, '', gen_random_uuid()) ON CONFLICT DO NOTHING"


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.UUIDField(default=offbeat.jobs.identity.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=255)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('sealed_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('total', models.PositiveIntegerField(db_default=0)),
                ('succeeded', models.PositiveIntegerField(db_default=0)),
                ('failed', models.PositiveIntegerField(db_default=0)),
                ('on_success', models.JSONField(null=True)),
                ('on_failure', models.JSONField(null=True)),
            ],
            options={
                'verbose_name_plural': 'batches',
                'indexes': [
                    models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['id'], name='offbeat_jobs_open_batches_idx'),
                ],
            },
        ),
        migrations.CreateModel(
            name='Broker',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('ledger', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('token', models.CharField(blank=True, max_length=32)),
                ('lost_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('hostname', models.CharField(max_length=255)),
                ('pid', models.PositiveIntegerField()),
                ('queues', models.JSONField()),
                ('concurrency', models.PositiveIntegerField()),
                ('version', models.CharField(blank=True, max_length=100)),
                ('code', models.CharField(db_default='', max_length=64)),
                ('tasks', models.JSONField(db_default=models.Value([], models.JSONField()))),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('heartbeat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('busy', models.PositiveIntegerField(db_default=0)),
                ('stopping', models.BooleanField(db_default=False)),
                ('broker_away_since', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.UUIDField(default=offbeat.jobs.identity.uuid7, editable=False, primary_key=True, serialize=False)),
                ('task', models.CharField(max_length=255)),
                ('args', models.JSONField(db_default=models.Value([], models.JSONField()))),
                ('kwargs', models.JSONField(db_default=models.Value({}, models.JSONField()))),
                ('context', models.JSONField(db_default=models.Value({}, models.JSONField()))),
                ('queue', models.CharField(max_length=100)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('published', 'Published'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('dead', 'Dead'), ('cancelled', 'Cancelled'), ('expired', 'Expired')], db_default='pending', max_length=10)),
                ('key', models.CharField(max_length=255, null=True)),
                ('concurrency_key', models.CharField(max_length=255, null=True)),
                ('when_busy', models.CharField(choices=[('wait', 'Wait'), ('skip', 'Skip')], db_default='wait', max_length=4)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('not_after', models.DateTimeField(null=True)),
                ('publish_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('published_at', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('attempt', models.PositiveIntegerField(db_default=0)),
                ('retries', models.PositiveIntegerField(db_default=0)),
                ('crashes', models.PositiveIntegerField(db_default=0)),
                ('excused', models.PositiveIntegerField(db_default=0)),
                ('max_attempts', models.PositiveIntegerField()),
                ('version', models.CharField(db_default='', max_length=100)),
                ('refused_by', models.JSONField(db_default=models.Value([], models.JSONField()))),
                ('refused_at', models.DateTimeField(null=True)),
                ('worker', models.UUIDField(null=True)),
                ('pid', models.PositiveIntegerField(null=True)),
                ('progress_done', models.PositiveBigIntegerField(db_default=0)),
                ('progress_total', models.PositiveBigIntegerField(db_default=0)),
                ('reason', models.TextField(db_default='')),
                ('traceback', models.TextField(db_default='')),
                ('history', models.JSONField(db_default=models.Value([], models.JSONField()))),
                ('batch', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='jobs', to='offbeat_jobs.batch')),
            ],
            options={
                'indexes': [
                    models.Index(condition=models.Q(('state', 'pending')), fields=['publish_at'], name='offbeat_jobs_pending_idx'),
                    models.Index(condition=models.Q(('state', 'published')), fields=['queue', 'published_at'], name='offbeat_jobs_published_idx'),
                    models.Index(condition=models.Q(('state', 'running')), fields=['worker'], name='offbeat_jobs_running_idx'),
                    models.Index(condition=models.Q(('state', 'dead')), fields=['-finished_at'], name='offbeat_jobs_dead_idx'),
                    models.Index(condition=models.Q(('state__in', ['succeeded', 'cancelled', 'expired'])), fields=['finished_at'], name='offbeat_jobs_finished_idx'),
                    models.Index(condition=models.Q(('not_after__isnull', False), ('state__in', ['pending', 'published'])), fields=['not_after'], name='offbeat_jobs_expiring_idx'),
                    models.Index(condition=models.Q(('reason', 'waits for another job of the same concurrency_key'), ('state', 'pending')), fields=['concurrency_key', 'id'], name='offbeat_jobs_waiting_idx'),
                    models.Index(condition=models.Q(('batch__isnull', False)), fields=['batch'], name='offbeat_jobs_batch_idx'),
                    models.Index(condition=models.Q(('batch__isnull', False), ('state__in', ['pending', 'published', 'running'])), fields=['batch'], name='offbeat_jobs_unfinished_idx'),
                    models.Index(condition=models.Q(('refused_at__isnull', False), ('state', 'pending')), fields=['refused_at'], name='offbeat_jobs_refused_idx'),
                ],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('key__isnull', False)), fields=('key',), name='offbeat_jobs_key'),
                    models.UniqueConstraint(models.F('concurrency_key'), condition=models.Q(('concurrency_key__isnull', False), ('state', 'running')), name='offbeat_jobs_one_running'),
                ],
            },
        ),
        migrations.AddField(
            model_name='batch',
            name='failure_job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='offbeat_jobs.job'),
        ),
        migrations.AddField(
            model_name='batch',
            name='success_job',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='offbeat_jobs.job'),
        ),
        migrations.RunSQL(ROW, migrations.RunSQL.noop),
    ]
