"""Every address of the ops pages."""

from __future__ import annotations

from django.urls import path

from offbeat.ops import (
    views_audit,
    views_batches,
    views_cancellation,
    views_cronjobs,
    views_decisions,
    views_incidents,
    views_jobs,
    views_messages,
    views_overview,
    views_pauses,
    views_selection,
    views_trends,
)

app_name = "offbeat_ops"

urlpatterns = [
    path("", views_overview.index, name="index"),
    path("incidents/acknowledge/", views_incidents.acknowledge, name="acknowledge"),
    path("incidents/release/", views_incidents.release, name="release"),
    path("cronjobs/", views_overview.cronjobs, name="cronjobs"),
    path("cronjobs/<str:name>/", views_cronjobs.cronjob, name="cronjob"),
    path("cronjobs/<str:name>/backfill/", views_cronjobs.backfill, name="backfill"),
    path("cronjobs/<str:name>/run/", views_cronjobs.run_now, name="run-now"),
    path("cronjobs/<str:name>/pause/", views_cronjobs.pause, name="pause"),
    path("cronjobs/<str:name>/resume/", views_cronjobs.resume, name="resume"),
    path("jobs/", views_jobs.jobs, name="jobs"),
    path("jobs/<uuid:job_id>/", views_jobs.job, name="job"),
    path("jobs/<uuid:job_id>/retry/", views_decisions.retry, name="retry"),
    path("jobs/<uuid:job_id>/discard/", views_decisions.discard, name="discard"),
    path("jobs/<uuid:job_id>/cancel/", views_cancellation.cancel, name="cancel"),
    path("jobs/<uuid:job_id>/again/", views_decisions.run_again, name="run-again"),
    path("pauses/new/", views_pauses.pause, name="pause-jobs"),
    path("pauses/resume/", views_pauses.resume, name="resume-jobs"),
    path("jobs/export/", views_jobs.export_jobs, name="export"),
    path("jobs/retry/", views_selection.retry_all, name="retry-all"),
    path("jobs/discard/", views_selection.discard_all, name="discard-all"),
    path("jobs/run-now/", views_selection.run_all_now, name="run-all-now"),
    path("jobs/move/", views_selection.move_all, name="move-all"),
    path("dead-letters/", views_jobs.dead_letters, name="dead-letters"),
    path("messages/", views_messages.unreadable_messages, name="messages"),
    path("messages/drop/", views_messages.drop_all, name="message-drop-all"),
    path("messages/<uuid:entry>/requeue/", views_messages.requeue, name="message-requeue"),
    path("messages/<uuid:entry>/drop/", views_messages.drop, name="message-drop"),
    path("trends/", views_trends.index, name="trends"),
    path("batches/", views_batches.batches, name="batches"),
    path("batches/<uuid:batch_id>/", views_batches.batch, name="batch"),
    path("audit/", views_audit.trail, name="audit"),
]
