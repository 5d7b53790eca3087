"""Why a test of another backend cannot be one of ours. Each is run all the same, and one that passes has no place here."""

from __future__ import annotations

# Classes about something that is not Django's interface: not run.
ELSEWHERE = {
    "django": {},
    "django-tasks-db": {
        "DatabaseTaskResultTestCase": "how their worker locks rows of their table",
        "ConnectionExclusiveTranscationTestCase": "how their worker locks SQLite",
        "DatabaseBackendPruneTaskResultsTestCase": "their command that prunes; ours is the cronjob `prune-jobs`",
        "CompatTestCase": "which of two modules their package imports",
        "DBTaskResultOrderingTestCase": "the order of rows in their table",
        "AdminTestCase": "their page in the admin; ours are `/ops/` and the admin's page of jobs",
    },
}

REASONS = {"django": {}, "django-tasks-db": {}}


def is_elsewhere(suite, case):
    return case in ELSEWHERE[suite]
