"""Where schedulers call: off unless CRON_SECRET is set."""

from django.urls import path

from offbeat.cronjobs import views

urlpatterns = [
    path("cron/tick", views.tick, name="cron-tick"),
    path("cron/<slug:name>", views.wake_up_one, name="cron-wake-up"),
]
