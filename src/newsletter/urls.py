"""The newsletter's addresses."""

from django.urls import path

from newsletter import api, views

app_name = "newsletter"
urlpatterns = [
    path("", views.home, name="home"),
    path("subscriptions/<uuid:job_id>/", views.subscription, name="subscription"),
    path("confirm/<str:token>/", views.by_link, {"act": "confirm"}, name="confirm"),
    path("unsubscribe/<str:token>/", views.by_link, {"act": "unsubscribe"}, name="unsubscribe"),
    path("api/subscribers/", api.subscribers, name="subscribers"),
    path("api/jobs/<uuid:job_id>/", api.job, name="job"),
]
