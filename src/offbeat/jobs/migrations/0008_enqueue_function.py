import django.db.models.functions.datetime
from django.db import migrations, models


# Writes a job as offbeat.jobs.producer does, in the caller's transaction; the relay of any worker publishes it.
# By role, not by task: whoever may execute it may enqueue every task. It runs as its owner, so it names its schema (see OWNER).
ENQUEUE = """
CREATE FUNCTION offbeat_enqueue(
    task text,
    args jsonb DEFAULT '[]',
    kwargs jsonb DEFAULT '{}',
    queue text DEFAULT NULL,
    key text DEFAULT NULL,
    concurrency_key text DEFAULT NULL,
    when_busy text DEFAULT NULL,
    run_at timestamptz DEFAULT NULL,
    not_after timestamptz DEFAULT NULL,
    priority integer DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    its_task CONSTANT text := task;
    its_key text := key;
    its_concurrency_key text := concurrency_key;
    its_queue text := queue;
    its_args CONSTANT jsonb := coalesce(args, '[]');
    its_kwargs CONSTANT jsonb := coalesce(kwargs, '{}');
    its_when_busy text := when_busy;
    its_priority integer := priority;
    its_end timestamptz := not_after;
    its_start CONSTANT timestamptz := run_at;
    newest record;
    own jsonb := '{}';
    waited_before CONSTANT text := current_setting('lock_timeout');
    wait_now numeric;
    -- Version 7 (RFC 9562): the time in milliseconds and 12 bits below, then chance.
    moment CONSTANT bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    id_bytes bytea := uuid_send(gen_random_uuid());
    made uuid;
BEGIN
    IF coalesce(its_task, '') = '' OR length(its_task) > 255 THEN
        RAISE EXCEPTION 'offbeat_enqueue: task should be the name of a task, of 255 characters at most, got %',
            coalesce(quote_literal(left(its_task, 40)), 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(its_args) <> 'array' THEN
        RAISE EXCEPTION '%: args should be a JSON array, got %', its_task, jsonb_typeof(its_args)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF jsonb_typeof(its_kwargs) <> 'object' THEN
        RAISE EXCEPTION '%: kwargs should be a JSON object, got %', its_task, jsonb_typeof(its_kwargs)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- What Python could not read back.
    IF length(its_args::text) + length(its_kwargs::text) > 200 THEN
        IF jsonb_path_exists(its_args, 'strict $.**{101}') OR jsonb_path_exists(its_kwargs, 'strict $.**{101}') THEN
            RAISE EXCEPTION '%: its arguments are nested more than 100 levels deep', its_task
                USING ERRCODE = 'invalid_parameter_value';
        ELSIF length(its_args::text) + length(its_kwargs::text) > 4300
            AND EXISTS (SELECT FROM (VALUES (its_args), (its_kwargs)) AS given (json),
                jsonb_path_query(json, 'strict $.** ? (@.type() == "number")') AS number
                WHERE abs(number::numeric) >= 1e4300) THEN
            RAISE EXCEPTION '%: its arguments have a number of more than 4300 digits, which Python cannot read', its_task
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass it as a text.';
        END IF;
    END IF;

    SELECT defaults, queues, tasks -> its_task AS own INTO newest FROM offbeat_jobs_knowncode
        ORDER BY tasks ? its_task DESC, announced_at DESC LIMIT 1;
    IF FOUND THEN
        own := coalesce(newest.own, newest.defaults);
    ELSIF its_queue IS NULL THEN
        RAISE EXCEPTION '%: its queue is not known: no worker has ever run on this database', its_task
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Start a worker once, or name the queue.';
    END IF;
    IF own ? 'problem' THEN
        RAISE EXCEPTION '%: %', its_task, own ->> 'problem' USING ERRCODE = 'feature_not_supported',
            HINT = 'Enqueue it by the HTTP API, or in Python.';
    END IF;

    its_queue := coalesce(its_queue, own ->> 'queue');
    its_priority := coalesce(its_priority, (own ->> 'priority')::integer, 0);
    its_when_busy := coalesce(its_when_busy, own ->> 'when_busy', 'wait');
    its_key := coalesce(its_key, own ->> 'key');
    its_concurrency_key := coalesce(its_concurrency_key, own ->> 'concurrency_key');
    its_end := coalesce(its_end, (own ->> 'not_after')::timestamptz,
        clock_timestamp() + make_interval(secs => (own ->> 'expires')::float));

    IF its_priority NOT BETWEEN -100 AND 100 THEN
        RAISE EXCEPTION '%: priority should be a whole number from -100 to 100, higher first, got %', its_task, its_priority
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF its_when_busy NOT IN ('wait', 'skip') THEN
        RAISE EXCEPTION '%: when_busy should be "wait" or "skip", got "%"', its_task, left(its_when_busy, 40)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF length(its_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION '%: key is % characters long, and may be 1 to 255: %', its_task, length(its_key), left(its_key, 40)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF length(its_concurrency_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION '%: concurrency_key is % characters long, and may be 1 to 255: %', its_task,
            length(its_concurrency_key), left(its_concurrency_key, 40) USING ERRCODE = 'invalid_parameter_value';
    ELSIF length(its_queue) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION '%: queue is % characters long, and may be 1 to 100: %', its_task, length(its_queue), left(its_queue, 40)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF its_start NOT BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z'
        OR its_end NOT BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' THEN
        RAISE EXCEPTION '%: run_at and not_after should be in the years 1 to 9999, got % and %', its_task,
            coalesce(its_start::text, 'none'), coalesce(its_end::text, 'none') USING ERRCODE = 'invalid_parameter_value';
    ELSIF queue IS NOT NULL AND jsonb_typeof(newest.queues) = 'array' AND NOT newest.queues ? its_queue
        AND NOT EXISTS (SELECT FROM offbeat_jobs_worker AS worker WHERE worker.queues ? its_queue) THEN
        RAISE EXCEPTION '%: no service consumes the queue "%". There are: %', its_task, its_queue,
            (SELECT string_agg(each, ', ' ORDER BY each) FROM jsonb_array_elements_text(newest.queues) AS each)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Deploy a worker that consumes it first.';
    END IF;

    id_bytes := overlay(id_bytes PLACING substring(int8send(moment / 1000) FROM 3) FROM 1 FOR 6);
    id_bytes := overlay(id_bytes PLACING substring(int4send(28672 + (moment % 1000 * 4096 / 1000)::integer) FROM 3) FROM 7 FOR 2);

    -- Another transaction may be enqueueing the same key: wait for it for so long. A shorter limit of the caller's holds.
    IF its_key IS NOT NULL THEN
        wait_now := coalesce((own ->> 'key_wait')::numeric, (newest.defaults ->> 'key_wait')::numeric, 5);
        IF waited_before::interval = interval '0' OR waited_before::interval > make_interval(secs => wait_now::float) THEN
            PERFORM set_config('lock_timeout', (wait_now * 1000)::integer::text, true);
        END IF;
    END IF;
    LOOP
        INSERT INTO offbeat_jobs_job (id, task, runner, options, args, kwargs, queue, priority, max_attempts, key,
            concurrency_key, when_busy, not_after, due_at, publish_at, created_at)
        VALUES (encode(id_bytes, 'hex')::uuid, its_task, coalesce(own ->> 'runner', ''), coalesce(own -> 'options', '{}'),
            its_args, its_kwargs, its_queue, its_priority, coalesce((own ->> 'max_attempts')::integer, 5), its_key,
            its_concurrency_key, its_when_busy, its_end, coalesce(its_start, now()), coalesce(its_start, now()),
            statement_timestamp())
        ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING RETURNING id INTO made;
        IF made IS NULL THEN
            SELECT id INTO made FROM offbeat_jobs_job WHERE key = its_key;
        END IF;
        EXIT WHEN made IS NOT NULL; -- else the job of that key was pruned between the two: now the key is free
    END LOOP;
    IF its_key IS NOT NULL THEN
        PERFORM set_config('lock_timeout', waited_before, true);
    END IF;
    RETURN made;
END $$
"""

# How far a job is, for whoever knows its id; NULL where there is none. Keys may be added.
STATUS = """
CREATE FUNCTION offbeat_job(id uuid) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT jsonb_build_object(
        'id', job.id, 'task', job.task, 'queue', job.queue, 'state', job.state, 'attempt', job.attempt,
        'progress', CASE WHEN job.progress_total > 0
            THEN jsonb_build_object('done', job.progress_done, 'total', job.progress_total) END,
        'result', job.result,
        'error', CASE WHEN job.state IN ('dead', 'cancelled', 'expired') THEN job.reason END,
        'created_at', job.created_at, 'started_at', job.started_at, 'finished_at', job.finished_at)
    FROM offbeat_jobs_job AS job WHERE job.id = offbeat_job.id
$$
"""

# A function that runs as its owner must find no table of the caller's. And nobody may execute it without a GRANT.
OWNER = """
DO $$
DECLARE
    home CONSTANT text := (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = 'offbeat_jobs_job'::regclass);
    each regprocedure;
BEGIN
    FOR each IN SELECT oid FROM pg_proc WHERE proname IN ('offbeat_enqueue', 'offbeat_job') AND pronamespace = home::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', each, home);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', each);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):

    dependencies = [
        ('offbeat_jobs', '0007_batch_states'),
    ]

    operations = [
        migrations.CreateModel(
            name='KnownCode',
            fields=[
                ('fingerprint', models.CharField(editable=False, max_length=64, primary_key=True, serialize=False)),
                ('announced_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('defaults', models.JSONField()),
                ('queues', models.JSONField(null=True)),
                ('tasks', models.JSONField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunSQL(ENQUEUE, 'DROP FUNCTION offbeat_enqueue'),
        migrations.RunSQL(STATUS, 'DROP FUNCTION offbeat_job'),
        migrations.RunSQL(OWNER, migrations.RunSQL.noop),
    ]
