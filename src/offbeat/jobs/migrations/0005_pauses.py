import django.db.models.functions.datetime
from django.db import migrations, models


# Asked by the statement that starts a job.
IS_HELD = """
CREATE OR REPLACE FUNCTION offbeat_jobs_is_held(job uuid, its_queue text, its_task text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM offbeat_jobs_pause WHERE kind = 'queue' AND name = its_queue OR kind = 'task' AND name = its_task
    ) OR EXISTS (SELECT FROM offbeat_jobs_cancellation WHERE job_id = job);
END $$
"""


class Migration(migrations.Migration):

    dependencies = [
        ('offbeat_jobs', '0004_priorities'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cancellation',
            fields=[
                ('job_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('reason', models.TextField()),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('queue', 'Queue'), ('task', 'Task')], max_length=5)),
                ('name', models.CharField(max_length=255)),
                ('reason', models.TextField()),
                ('paused_by', models.CharField(max_length=150)),
                ('paused_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('kind', 'name'), name='offbeat_jobs_one_pause')],
            },
        ),
        migrations.RunSQL(IS_HELD, 'DROP FUNCTION offbeat_jobs_is_held(uuid, text, text)'),
    ]
