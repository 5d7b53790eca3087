"""The core's pages, the admin, and an address that enqueues: what visitors press while the fault tests break things."""

import time

from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from offbeat.client_address import find_client_address
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import sleep_in_postgres, work

admin.autodiscover()


@csrf_exempt
def enqueue(request, label):
    return JsonResponse({"job": str(work.enqueue(label).pk)}, status=202)


def ask_slowly(request, seconds):
    sleep_in_postgres(seconds)
    return JsonResponse({"slept": seconds})


@transaction.atomic
def stand_idle(request, seconds):
    Effect.objects.create(label="idle", what="start", pid=0)
    time.sleep(seconds)
    return JsonResponse({"effects": Effect.objects.count()})


@csrf_exempt
def upload(request):
    return JsonResponse({name: file.size for name, file in request.FILES.items()})


@csrf_exempt
def echo(request):
    """Say what a view sees of a request, after as many seconds as it asks for."""
    time.sleep(float(request.GET.get("seconds", 0)))
    return JsonResponse(
        {
            "secure": request.is_secure(),
            "host": request.get_host(),
            "client": find_client_address(request),
            "path": request.path,
            "size": len(request.body),
        }
    )


def broken(request):
    raise RuntimeError("meant to be")


urlpatterns = [
    path("faults/ask-slowly/<int:seconds>/", ask_slowly),
    path("faults/stand-idle/<int:seconds>/", stand_idle),
    path("broken/", broken),
    path("uploads/", upload),
    path("echo/", echo),
    path("faults/enqueue/<str:label>/", enqueue),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("offbeat.urls")),
]
