"""The core's pages, the admin, and an address that enqueues: what visitors press while the fault tests break things."""

from django.conf import settings
from django.contrib import admin
from django.http import JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from tests.offbeat.faults.effects.tasks import work

admin.autodiscover()


@csrf_exempt
def enqueue(request, label):
    return JsonResponse({"job": str(work.enqueue(label).pk)}, status=202)


urlpatterns = [
    path("faults/enqueue/<str:label>/", enqueue),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("offbeat.urls")),
]
