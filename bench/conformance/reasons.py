"""Why a test of another backend cannot be one of ours."""

from __future__ import annotations

OPTIONS = "an option of their command; ours is Celery's worker, which has its own"
PATHS = "what their model does with a path that leads nowhere: `get_result` says that there is no result, and which code is missing"
ID = "which kind of UUID the id is, 4 in theirs; in ours it is 7, which sorts by time, and there is no option for it"

# About something that is not Django's interface, so not run: classes, and tests.
ELSEWHERE = {
    "django": {},
    "django-tasks-db": {
        "DatabaseTaskResultTestCase": "how their worker locks rows of their table",
        "ConnectionExclusiveTranscationTestCase": "how their worker locks SQLite",
        "DatabaseBackendPruneTaskResultsTestCase": "their command that prunes; ours is the cronjob `prune-jobs`",
        "CompatTestCase": "which of two modules their package imports",
        "DBTaskResultOrderingTestCase": "the order of rows in their table",
        "AdminTestCase": "their page in the admin; ours are `/ops/` and the admin's page of jobs",
        "DatabaseBackendTestCase.test_index_scan_for_ready": "an index of their table",
        "DatabaseBackendTestCase.test_task_name": "a property of their model",
        "DatabaseBackendWorkerTestCase.test_worker_with_locked_rows": "rows that their worker's query skips, when locked",
        **{
            f"DatabaseBackendWorkerTestCase.test_{name}": OPTIONS
            for name in (
                "empty_worker_id", "exclude_queues_requires_processing_all_queues", "fractional_interval", "incorrect_backend",
                "infinite_interval", "max_tasks", "negative_interval", "negative_max_tasks", "too_long_worker_id",
                "unknown_backend", "zero_interval", "zero_max_tasks",
            )
        },
    },
}  # fmt: skip

# Run, and known to fail: one that passes has no place here.
REASONS = {
    "django": {
        "CustomBackendTestCase.test_backend_does_not_support_priority": "a backend without priorities; ours has them",
        "CustomBackendTestCase.test_no_enqueue": "a class without `enqueue`; one that inherits from ours has it",
        "DummyBackendTestCase.test_refresh_result": "changes the object that DummyBackend keeps in memory",
        "DummyBackendTestCase.test_refresh_result_async": "changes the object that DummyBackend keeps in memory",
        "ImmediateBackendTestCase.test_cannot_get_result": "a backend without results; ours has them",
        "ImmediateBackendTestCase.test_cannot_refresh_result": "a backend without results; ours has them",
        "ImmediateBackendTestCase.test_cannot_pass_run_after": "a backend without `run_after`; ours has it",
        "ImmediateBackendTestCase.test_throws_keyboard_interrupt": "an exception that leaves `enqueue`, where the task "
        "runs inside it; in ours it ends the attempt, and is in `errors`",
        "ImmediateBackendTransactionTestCase.test_doesnt_wait_until_transaction_commit_by_default": "a task that runs inside the "
        "transaction that enqueues it; ours runs after the commit",
    },
    "django-tasks-db": {
        "DatabaseBackendTestCase.test_custom_id_function": ID,
        "DatabaseBackendTestCase.test_unknown_id_function": ID,
        "DatabaseBackendTestCase.test_postgres_db_id_function": ID,
        "DatabaseBackendTestCase.test_enqueue_task": ID,
        "DatabaseBackendTestCase.test_enqueue_task_async": ID,
        "DatabaseBackendTestCase.test_database_backend_app_missing": "a check for their app in INSTALLED_APPS",
        "DatabaseBackendTestCase.test_invalid_task_path": PATHS,
        "DatabaseBackendTestCase.test_missing_task_path": PATHS,
        "DatabaseBackendTestCase.test_priority_range_check": "a constraint of their table; ours is Django's, in `using`",
        "DatabaseBackendWorkerTestCase.test_complex_return_value": "the words of their error; ours says what Django's own says",
        "DatabaseBackendWorkerTestCase.test_doesnt_process_different_backend": "a worker that serves one alias; ours serves queues",
        "DatabaseBackendWorkerTestCase.test_task_import_string": "that the traceback of a task that is missing names "
        "ImportError; ours says which task no worker has found",
        "DatabaseBackendWorkerTestCase.test_verbose_logging": "the words that their worker prints",
        "DatabaseWorkerProcessTestCase.test_multiple_workers": "the words that their worker prints",
        "DatabaseWorkerProcessTestCase.test_repeat_ctrl_c": "an id that is given to the worker; ours has one from the ledger",
    },
}


def reason_to_skip(suite, name):
    """Return why a test, `Class.test`, is not run; None where it is."""
    return ELSEWHERE[suite].get(name) or ELSEWHERE[suite].get(name.split(".")[0])
