"""What people did on the ops pages, and to jobs and cronjobs in Django's admin; and how often they may try to log in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class AuditEntry(models.Model):
    """One act of a person: never changed, never pruned. It names people and things as text, so that it outlives them."""

    at = models.DateTimeField(db_default=Now())
    who = models.CharField(max_length=150)  # the user name at that time
    act = models.CharField(max_length=40)  # "retry", "pause", …
    subject = models.CharField(max_length=255)  # "job 0193…", "cronjob weekly-digest"
    link = models.CharField(max_length=255)  # the subject's page
    result = models.CharField(max_length=255)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [models.Index(fields=["subject", "-id"], name="offbeat_ops_audit_subject_idx")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%MZ} {self.who}: {self.act} {self.subject}"


class LoginAllowance(models.Model):
    """A bucket of attempts to log in, which is full again at `until`; or an address that a name is known at until then."""

    key = models.CharField(max_length=64, primary_key=True)  # a keyed hash: of whom is nobody's business
    until = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()  # nobody looks at them

    def __str__(self) -> str:
        return f"{self.key[:8]} until {self.until:%Y-%m-%d %H:%M:%SZ}"
