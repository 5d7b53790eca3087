"""A bare page and one that enqueues, to be compared; both touch PostgreSQL once."""

from django.db import connection
from django.http import HttpResponse
from django.urls import include, path

from bench import loop_views
from bench.tasks import nothing


def bare(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok")


def enqueueing(request):
    nothing.enqueue()
    return bare(request)


urlpatterns = [
    path("", include("offbeat.urls")),
    path("bare", bare),
    path("enqueueing", enqueueing),
    path("async/bare", loop_views.bare),
    path("async/querying", loop_views.querying),
    path("async/enqueueing", loop_views.enqueueing),
    path("async/enqueueing-djangos", loop_views.enqueueing_djangos),
    path("async/gaps", loop_views.show_gaps),
    path("letter/", include("newsletter.urls")),  # for the links in its mails
]
