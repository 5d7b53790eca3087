"""Pages for developers, included only with DEBUG."""

from __future__ import annotations

from django.urls import path

from offbeat.dev import views

app_name = "offbeat_dev"
urlpatterns = [
    path("mail/", views.mailbox, name="mailbox"),
    path("mail/<str:key>/", views.mail, name="mail"),
    path("mail/<str:key>/html/", views.html_part, name="html-part"),
]
