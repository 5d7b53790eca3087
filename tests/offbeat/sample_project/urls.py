"""The core's pages, the admin, and an address that enqueues: what visitors press while the fault tests break things."""

import time

from django.contrib import admin
from django.http import JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from offbeat.client_address import find_client_address
from tests.offbeat.faults.effects.tasks import work

admin.autodiscover()


@csrf_exempt
def enqueue(request, label):
    return JsonResponse({"job": str(work.enqueue(label).pk)}, status=202)


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
    path("broken/", broken),
    path("uploads/", upload),
    path("echo/", echo),
    path("faults/enqueue/<str:label>/", enqueue),
    path("admin/", admin.site.urls),
    path("", include("offbeat.urls")),
]
