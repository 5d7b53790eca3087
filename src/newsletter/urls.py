"""The newsletter's addresses."""

from django.urls import path

from newsletter import views

app_name = "newsletter"
urlpatterns = [
    path("", views.home, name="home"),
    path("subscriptions/<uuid:job_id>/", views.subscription, name="subscription"),
    path("confirm/<str:token>/", views.follow_link, {"action": "confirm"}, name="confirm"),
    path("unsubscribe/<str:token>/", views.follow_link, {"action": "unsubscribe"}, name="unsubscribe"),
    path("api/subscribers/", views.subscribers, name="subscribers"),
    path("api/subscriptions/<uuid:job_id>/", views.job, name="job"),
]
