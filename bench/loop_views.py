"""Async pages to be compared, and how long the event loop that serves them was away."""

import asyncio
import time

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpResponse, JsonResponse

from bench.tasks import nothing, nothing_of_djangos

PAUSE = 0.001  # seconds between two looks
gaps = []  # ms
steps = []  # ms of wall and of CPU that the view's own code held the loop's thread, each time
watching = []


class Timed:
    """Awaits, and notes how long each of its steps holds the loop."""

    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        value = None
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                awaited = self.coroutine.send(value)
            except StopIteration as end:
                return end.value
            finally:
                steps.append(((time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000))
            value = yield awaited


async def look():
    """Note by how much the loop was late."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(PAUSE)
        gaps.append((time.perf_counter() - begun - PAUSE) * 1000)


async def show_gaps(request):
    """Return what was noted since the last request of this page."""
    if not watching:
        watching.append(asyncio.create_task(look()))
    found = {"gaps": gaps[:], "steps": steps[:], "sessions": await sync_to_async(count_sessions)()}
    gaps.clear(), steps.clear()
    return JsonResponse(found)


def count_sessions():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return cursor.fetchone()[0]


async def bare(request):
    return HttpResponse("ok")


async def querying(request):
    await Timed(sync_to_async(query)())
    return HttpResponse("ok")


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def enqueueing(request):
    await Timed(nothing.aenqueue())
    return HttpResponse("ok")


async def enqueueing_djangos(request):
    await Timed(nothing_of_djangos.aenqueue())
    return HttpResponse("ok")
