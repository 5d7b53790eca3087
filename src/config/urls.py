"""Every address of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("newsletter.urls")),
    path("admin/", admin.site.urls),
    path("ops/", include("ops.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("local/", include("local.urls")))
