CREATE OR REPLACE VIEW conformance_results AS SELECT id,
    CASE state WHEN 'running' THEN 'RUNNING' WHEN 'succeeded' THEN 'SUCCESSFUL' WHEN 'pending' THEN 'READY'
        WHEN 'published' THEN 'READY' ELSE 'FAILED' END AS status,
    created_at AS enqueued_at, started_at, finished_at, jsonb_build_object('args', args, 'kwargs', kwargs) AS args_kwargs,
    priority::int AS priority, task::text AS task_path,
    CASE WHEN attempt = 0 THEN '[]' ELSE jsonb_build_array(coalesce(worker::text, '')) END AS worker_ids,
    queue::text AS queue_name, coalesce(options->>'backend', 'default') AS backend_name, CASE WHEN options ? 'run_after' THEN due_at ELSE '9999-01-01+00' END AS run_after,
    result AS return_value, reason AS exception_class_path, traceback
FROM offbeat_jobs_job;

CREATE OR REPLACE FUNCTION conformance_state(status text) RETURNS text LANGUAGE sql AS $$ SELECT CASE status
    WHEN 'RUNNING' THEN 'running' WHEN 'SUCCESSFUL' THEN 'succeeded' WHEN 'FAILED' THEN 'dead' ELSE 'pending' END $$;

CREATE OR REPLACE FUNCTION conformance_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO offbeat_jobs_job (id, task, args, kwargs, queue, priority, max_attempts, runner, options, state, due_at,
            publish_at, created_at)
        VALUES (NEW.id, NEW.task_path, coalesce(NEW.args_kwargs->'args', '[]'), coalesce(NEW.args_kwargs->'kwargs', '{}'), NEW.queue_name, NEW.priority, 5,
            'RUNNER', jsonb_build_object('backend', NEW.backend_name), 'pending', now(), now(), NEW.enqueued_at);
        RETURN NEW;
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE offbeat_jobs_job SET started_at = NEW.started_at, finished_at = NEW.finished_at, result = NEW.return_value,
            state = CASE WHEN NEW.status = OLD.status THEN state ELSE conformance_state(NEW.status) END,
            attempt = jsonb_array_length(NEW.worker_ids), priority = NEW.priority,
            worker = CASE WHEN NEW.worker_ids = OLD.worker_ids THEN worker ELSE md5(NEW.worker_ids->>0)::uuid END,
            due_at = CASE WHEN NEW.run_after = OLD.run_after THEN due_at ELSE NEW.run_after END,
            publish_at = CASE WHEN NEW.run_after = OLD.run_after THEN publish_at ELSE NEW.run_after END
        WHERE id = NEW.id;
        RETURN NEW;
    END IF;
    DELETE FROM offbeat_jobs_job WHERE id = OLD.id;
    RETURN OLD;
END $$;

CREATE OR REPLACE TRIGGER conformance_write INSTEAD OF INSERT OR UPDATE OR DELETE ON conformance_results
    FOR EACH ROW EXECUTE FUNCTION conformance_write();
