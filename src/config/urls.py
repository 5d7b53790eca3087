"""Every address of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("newsletter.urls")),  # example
    path("", RedirectView.as_view(pattern_name="ops:index")),  # until an app of yours, above, answers at /
    path("admin/", admin.site.urls),
    path("ops/", include("ops.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("local/", include("local.urls")))
