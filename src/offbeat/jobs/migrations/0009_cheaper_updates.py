from django.db import migrations, models


# A ledger is mostly finished jobs, and the indexes of the unfinished ones are small: what has left them is passed over by each
# look until VACUUM removes it, and PostgreSQL's own 0.2 would let that wait for a fifth of all jobs.
VACUUM_EARLIER = 'ALTER TABLE offbeat_jobs_job SET (autovacuum_vacuum_scale_factor = 0.02)'
AS_POSTGRESQL = 'ALTER TABLE offbeat_jobs_job RESET (autovacuum_vacuum_scale_factor)'


class Migration(migrations.Migration):

    dependencies = [
        ('offbeat_jobs', '0008_enqueue_function'),
    ]

    # Drops the CHECK constraints, and changes no column: the table is locked for a moment, whatever its size.
    operations = [
        migrations.AlterField(
            model_name='job',
            name='attempt',
            field=models.IntegerField(db_default=0),
        ),
        migrations.AlterField(
            model_name='job',
            name='crashes',
            field=models.IntegerField(db_default=0),
        ),
        migrations.AlterField(
            model_name='job',
            name='excused',
            field=models.IntegerField(db_default=0),
        ),
        migrations.AlterField(
            model_name='job',
            name='max_attempts',
            field=models.IntegerField(),
        ),
        migrations.AlterField(
            model_name='job',
            name='pid',
            field=models.IntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='job',
            name='progress_done',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AlterField(
            model_name='job',
            name='progress_total',
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.AlterField(
            model_name='job',
            name='retries',
            field=models.IntegerField(db_default=0),
        ),
        migrations.RunSQL(VACUUM_EARLIER, AS_POSTGRESQL),
    ]
