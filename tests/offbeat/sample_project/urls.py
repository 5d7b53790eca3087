"""The core's pages, the admin, and an address that enqueues: what visitors press while the fault tests break things."""

import time

from django.contrib import admin
from django.db import transaction
from django.http import JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

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


urlpatterns = [
    path("faults/ask-slowly/<int:seconds>/", ask_slowly),
    path("faults/stand-idle/<int:seconds>/", stand_idle),
    path("faults/enqueue/<str:label>/", enqueue),
    path("admin/", admin.site.urls),
    path("", include("offbeat.urls")),
]
