import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('offbeat_jobs', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='CronJob',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('command', models.TextField()),
                ('schedule', models.CharField(max_length=255)),
                ('cron', models.CharField(max_length=255)),
                ('timezone', models.CharField(max_length=64)),
                ('is_in_file', models.BooleanField(default=True)),
                ('known_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('cursor', models.DateTimeField()),
                ('paused_at', models.DateTimeField(null=True)),
                ('paused_by', models.CharField(db_default='', max_length=255)),
                ('last_fire_at', models.DateTimeField(null=True)),
                ('last_success_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'cronjob',
            },
        ),
        migrations.CreateModel(
            name='Tick',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name='Slot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slot', models.DateTimeField()),
                ('trigger', models.CharField(choices=[('schedule', 'Schedule'), ('tick', 'Tick'), ('http', 'Http'), ('catchup', 'Catchup'), ('resume', 'Resume'), ('backfill', 'Backfill'), ('manual', 'Manual')], max_length=10)),
                ('outcome', models.CharField(choices=[('enqueued', 'Enqueued'), ('skipped', 'Skipped'), ('missed', 'Missed')], max_length=10)),
                ('reason', models.CharField(db_default='', max_length=255)),
                ('decided_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('cronjob', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='slots', to='offbeat_cronjobs.cronjob')),
                ('job', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='offbeat_jobs.job')),
            ],
            options={
                'indexes': [models.Index(fields=['cronjob', '-slot'], name='offbeat_cronjobs_slots_idx'), models.Index(condition=models.Q(('job__isnull', False)), fields=['job'], name='offbeat_cronjobs_job_idx'), models.Index(fields=['decided_at'], name='offbeat_cronjobs_decided_idx')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('trigger', 'manual'), _negated=True), fields=('cronjob', 'slot'), name='offbeat_cronjobs_one_slot')],
            },
        ),
    ]
