"""Every address of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.autodiscover()  # here and not at start: a wake-up, which has no pages, is spared the import

urlpatterns = [
    path("", include("newsletter.urls")),  # example
    path(
        "", RedirectView.as_view(pattern_name="offbeat_ops:index")
    ),  # until an app of yours, above, answers at /
    path("admin/", admin.site.urls),
    path("ops/", include("offbeat.ops.urls")),
    path("", include("offbeat.cronjobs.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("local/", include("offbeat.dev.urls")))
