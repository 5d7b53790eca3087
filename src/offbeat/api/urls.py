"""The API's addresses. What answers them is imported with the first request that brings a token."""

from django.urls import path, re_path

from offbeat.api.gateway import answer

app_name = "offbeat_api"
urlpatterns = [
    path("jobs", answer, name="jobs"),
    path("jobs/<uuid:job_id>", answer, name="job"),
    path("jobs/<uuid:job_id>/events", answer, name="events"),
    path("queues", answer),
    path("workers", answer),
    path("cronjobs", answer),
    path("openapi.json", answer),
    # What is below them is nothing, and says so as the API does. A project may have other addresses below /api/.
    re_path(r"^(?:jobs|queues|workers|cronjobs|openapi\.json)/", answer),
]
