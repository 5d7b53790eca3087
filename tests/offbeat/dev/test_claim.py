"""One process at a time runs the servers of a checkout."""

from __future__ import annotations

import stat

from offbeat.dev.claim import Claim


def test_a_claim_is_taken_once(tmp_path):
    """While one holds the claim, another cannot take it and learns who has it."""
    with Claim(tmp_path, "up") as first, Claim(tmp_path, "manage") as second:
        taken = first.take(), second.take()
        first.publish({"REDIS_URL": "redis://127.0.0.1:1/0"})
        owner = second.owner()

    assert taken == (True, False)
    assert (owner.task, owner.environment) == ("up", {"REDIS_URL": "redis://127.0.0.1:1/0"})


def test_a_claim_ends_with_its_owner(tmp_path):
    """When the owner has gone, however it went, the next one may."""
    with Claim(tmp_path, "up") as first:
        first.take()

    with Claim(tmp_path, "up") as second:
        assert second.take()


def test_passwords_are_for_the_owner_only(tmp_path):
    """The file holds addresses with passwords: no other user may read it."""
    with Claim(tmp_path, "up") as claim:
        claim.take()
        claim.publish({"REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
        shown = repr(claim.owner())

    assert stat.S_IMODE((tmp_path / "running").stat().st_mode) == 0o600
    assert "secret" not in shown
