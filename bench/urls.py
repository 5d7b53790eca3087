"""A bare page and one that enqueues, to be compared; both touch PostgreSQL once."""

from django.db import connection
from django.http import HttpResponse
from django.urls import path

from bench.tasks import nothing


def bare(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok")


def enqueueing(request):
    nothing.enqueue()
    return bare(request)


urlpatterns = [path("bare", bare), path("enqueueing", enqueueing)]
