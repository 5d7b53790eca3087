"""Who may use the API: tokens, of which only a hash is kept, and how many requests each has left."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class ApiToken(models.Model):
    """A token. Several may have one name, so that a program gets a new one before the old one is revoked."""

    name = models.CharField(max_length=50, db_index=True)  # of the program that has it; its jobs carry it
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of 32 random bytes: no salt needed
    scopes = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)  # to the minute: not every request is worth a write

    class Meta:
        default_permissions = ()  # made and revoked by a command

    def __str__(self) -> str:
        return self.name


class ApiAllowance(models.Model):
    """The requests of a token, as the moment at which it has all of them again. Unlogged: a crash gives them back."""

    token = models.OneToOneField(ApiToken, models.CASCADE, primary_key=True, related_name="+")
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.token_id} until {self.until:%Y-%m-%d %H:%M:%SZ}"
