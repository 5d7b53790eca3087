from django.db import migrations, models


# A row for each end of an attempt and of a job. Losing none of them by a crash, and none that no process lived to tell of
# (a worker that was lost, a job that expired), is what a trigger gives and a signal of Django does not.
JOB_ENDS = """
    CREATE FUNCTION offbeat_metrics_note_end() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        ran boolean := TG_OP = 'UPDATE' AND OLD.state = 'running';
        done boolean := NEW.state IN ('succeeded', 'dead', 'cancelled', 'expired');
    BEGIN
        INSERT INTO offbeat_metrics_jobend (task, outcome, state, wait, run) VALUES (
            NEW.task,
            CASE WHEN ran THEN CASE WHEN NEW.state = 'succeeded' THEN 'succeeded'
                ELSE coalesce(replace(NEW.history -> -1 ->> 'outcome', ' ', '_'), 'unknown') END END,
            CASE WHEN done THEN NEW.state END,
            CASE WHEN ran THEN greatest(0, extract(epoch FROM OLD.started_at - OLD.due_at)) END,
            CASE WHEN ran THEN greatest(0, extract(epoch FROM coalesce(NEW.finished_at, clock_timestamp()) - OLD.started_at)) END
        );
        RETURN NULL;
    END $$;
    CREATE TRIGGER offbeat_metrics_job_ends AFTER UPDATE OF state ON offbeat_jobs_job FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state
            AND (OLD.state = 'running' OR NEW.state IN ('succeeded', 'dead', 'cancelled', 'expired')))
        EXECUTE FUNCTION offbeat_metrics_note_end();
    CREATE TRIGGER offbeat_metrics_job_buried AFTER INSERT ON offbeat_jobs_job FOR EACH ROW
        WHEN (NEW.state = 'dead') EXECUTE FUNCTION offbeat_metrics_note_end();
"""
NO_JOB_ENDS = """
    DROP TRIGGER offbeat_metrics_job_ends ON offbeat_jobs_job;
    DROP TRIGGER offbeat_metrics_job_buried ON offbeat_jobs_job;
    DROP FUNCTION offbeat_metrics_note_end();
"""
# Slots are few, and those of one cronjob are written under the lock of its row: they are counted at once.
SLOTS = """
    CREATE FUNCTION offbeat_metrics_count_slot() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO offbeat_metrics_counter (name, subject, label, value)
        VALUES ('slots', NEW.cronjob_id, NEW.outcome || ' ' || NEW.trigger, 1)
        ON CONFLICT (name, subject, label) DO UPDATE SET value = offbeat_metrics_counter.value + 1;
        RETURN NULL;
    END $$;
    CREATE TRIGGER offbeat_metrics_slots AFTER INSERT OR UPDATE OF outcome ON offbeat_cronjobs_slot FOR EACH ROW
        EXECUTE FUNCTION offbeat_metrics_count_slot();
"""
NO_SLOTS = """
    DROP TRIGGER offbeat_metrics_slots ON offbeat_cronjobs_slot;
    DROP FUNCTION offbeat_metrics_count_slot();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [("offbeat_jobs", "0001_initial"), ("offbeat_cronjobs", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name='JobEnd',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('task', models.CharField(max_length=255)),
                ('outcome', models.CharField(max_length=20, null=True)),
                ('state', models.CharField(max_length=10, null=True)),
                ('wait', models.FloatField(null=True)),
                ('run', models.FloatField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Counter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40)),
                ('subject', models.CharField(max_length=255)),
                ('label', models.CharField(db_default='', max_length=40)),
                ('value', models.FloatField(db_default=0.0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'subject', 'label'), name='offbeat_metrics_one_counter')],
            },
        ),
        migrations.RunSQL(JOB_ENDS, NO_JOB_ENDS),
        migrations.RunSQL(SLOTS, NO_SLOTS),
    ]
