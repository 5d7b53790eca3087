"""Locked requirements are merged by package: whatever both have changed, there is no conflict."""

from __future__ import annotations

import pytest

from offbeat.dev.locks import merge_locks

HEADER = "# made by uv\n"
CELERY = "celery==5.7.0 \\\n    --hash=sha256:aa\n    # via offbeat (src/offbeat/pyproject.toml)\n"
NEWER_CELERY = CELERY.replace("5.7.0", "5.8.0").replace("aa", "bb")
REDIS = "redis[hiredis]==8.1.0 ; python_version < '4' \\\n    --hash=sha256:cc\n"
STRIPE = "Stripe==12.0.0 \\\n    --hash=sha256:dd\n    # via acme (pyproject.toml)\n"


def merged(start, yours, new):
    return merge_locks(*("".join([HEADER, *lock]).encode() for lock in (start, yours, new))).decode()


@pytest.mark.parametrize(
    ("start", "yours", "new", "expected"),
    [
        pytest.param([CELERY], [CELERY, STRIPE], [NEWER_CELERY], [NEWER_CELERY, STRIPE], id="an own package stays"),
        pytest.param([CELERY, REDIS], [CELERY, REDIS], [CELERY], [CELERY], id="what upstream dropped goes"),
        pytest.param([CELERY, REDIS], [CELERY], [NEWER_CELERY, REDIS], [NEWER_CELERY], id="what the team dropped too"),
        pytest.param([CELERY], [NEWER_CELERY], [CELERY], [NEWER_CELERY], id="an own newer pin stays"),
        pytest.param([CELERY], [CELERY], [CELERY, REDIS], [CELERY, REDIS], id="a new package comes"),
        pytest.param(
            [CELERY], [CELERY.replace("5.7.0", "5.7.1")], [NEWER_CELERY], [NEWER_CELERY], id="both changed: upstream's"
        ),
        pytest.param(
            [CELERY, REDIS], [CELERY, REDIS + "    # via stripe\n"], [CELERY], [CELERY, REDIS + "    # via stripe\n"],
            id="what the team's own packages need stays",
        ),
    ],
)  # fmt: skip
def test_two_locks_become_one(start, yours, new, expected):
    """Upstream's pins, with what the team has added, dropped or changed."""
    assert merged(start, yours, new) == "".join([HEADER, *expected])
