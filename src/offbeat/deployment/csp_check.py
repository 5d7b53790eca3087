"""A system check: the Content-Security-Policy that a project writes is the one that the Django at hand sends.

Django sends SECURE_CSP from 6.0 on, before that django-csp sends CONTENT_SECURITY_POLICY. In offbeat.settings both are one
mapping, so what is changed in one of them holds for both; one that is replaced may be the one that nobody reads.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's own name

from offbeat import security_settings

HAS_POLICY = django.VERSION >= (6, 0)
DJANGOS = "django.middleware.csp.ContentSecurityPolicyMiddleware"
SENDER = DJANGOS if HAS_POLICY else "csp.middleware.CSPMiddleware"
REPORTS = "CONTENT_SECURITY_POLICY_REPORT_ONLY"


@register("deployment")
def check_policy(**_: Any) -> list[CheckMessage]:
    """Warn of a policy that nobody sends (offbeat.W005)."""
    if SENDER not in settings.MIDDLEWARE:  # one of the project's own
        return []
    return [
        Warning(
            f"{name} has no effect: this Django sends {'SECURE_CSP' if HAS_POLICY else 'CONTENT_SECURITY_POLICY'}.",
            hint=f"In src/config/settings.py write {instead} (docs/offbeat/configuration.md).",
            id="offbeat.W005",
        )
        for name, instead in dead_policies().items()
    ]


def dead_policies() -> dict[str, str]:
    """Return the settings that the project wrote and nobody reads, each with what to write."""
    ours = security_settings.SECURE_CSP
    if not HAS_POLICY:
        is_dead = getattr(settings, "SECURE_CSP", ours) is not ours
        return {"SECURE_CSP": 'CONTENT_SECURITY_POLICY = {"DIRECTIVES": {…}}'} if is_dead else {}
    dead: dict[str, str] = {}
    policy = getattr(settings, "CONTENT_SECURITY_POLICY", None) or {"DIRECTIVES": ours}
    if policy.get("DIRECTIVES") is not ours:
        dead["CONTENT_SECURITY_POLICY"] = "SECURE_CSP = {…}, with only its DIRECTIVES"
    elif len(policy) > 1:
        others = sorted(policy.keys() - {"DIRECTIVES"})
        dead[f"CONTENT_SECURITY_POLICY's {', '.join(others)}"] = (
            "@csp_override({}) of django.views.decorators.csp on the views instead"
        )
    if getattr(settings, REPORTS, None):
        dead[REPORTS] = "SECURE_CSP_REPORT_ONLY = {…}, with only its DIRECTIVES"
    return dead
