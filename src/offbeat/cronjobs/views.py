"""Wake-ups by HTTP, for platforms whose scheduler calls an address: `POST /cron/<name>` and `POST /cron/tick`."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from offbeat.cronjobs import entries, exit_codes, output, tick_wakeup
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.wakeup import wake_up

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_AFTER = "60"  # seconds
STATUS = {
    exit_codes.DONE: 200,
    exit_codes.UNPUBLISHED: 202,
    exit_codes.UNCONFIGURED: 500,
    exit_codes.BUG: 500,
}


@csrf_exempt  # no browser calls it, and the secret is in a header that no form can send
@never_cache
def wake_up_one(request: HttpRequest, name: str) -> HttpResponse:
    """Do what the cronjob's command does; there is nothing here unless CRON_SECRET is set."""
    return run_if_allowed(request, lambda: output.as_json(wake_up(entries.find(name), Slot.Trigger.HTTP)))


@csrf_exempt
@never_cache
def tick(request: HttpRequest) -> HttpResponse:
    """Do what `manage.py tick` does."""
    return run_if_allowed(request, lambda: output.tick_as_json(tick_wakeup.tick()))


def run_if_allowed(request: HttpRequest, act: Callable[[], dict[str, Any]]) -> HttpResponse:
    if not settings.CRON_SECRET:
        return JsonResponse({"text": "off: CRON_SECRET is not set"}, status=404)
    if request.method != "POST":
        return JsonResponse({"text": "POST, please"}, status=405, headers={"Allow": "POST"})
    if not has_secret(request):
        headers = {"WWW-Authenticate": "Bearer"}
        return JsonResponse({"text": "the secret is missing or wrong"}, status=401, headers=headers)
    return respond(act)


@sensitive_variables()
def has_secret(request: HttpRequest) -> bool:
    """Compare in a time that does not depend on how much of the secret was right."""
    wanted = f"Bearer {settings.CRON_SECRET}".encode()
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted)


def respond(act: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Return 200, 202 where Redis is away, 404 for an unknown cronjob, 503 while PostgreSQL is down or the cronjob is held."""
    try:
        result = act()
    except entries.UnknownCronjobError as error:
        return JsonResponse({"text": str(error)}, status=404)
    except entries.ConfigurationError as error:
        return JsonResponse({"text": str(error)}, status=500)
    except Exception as error:
        if not exit_codes.is_away(error):
            raise
        text = exit_codes.AWAY_TEXT
        if exit_codes.is_held(error):
            text = f"{exit_codes.HELD_TEXT[exit_codes.AWAY_TEXT]}: {error}"
        return JsonResponse({"text": text}, status=503, headers={"Retry-After": RETRY_AFTER})
    return JsonResponse(result, status=STATUS[result["exit_code"]])
