"""Every address of the core, for `path("", include("offbeat.urls"))` behind the project's own."""

from django.apps import apps
from django.conf import settings
from django.conf.urls.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("ops/", include("offbeat.ops.urls")),
    path("", include("offbeat.cronjobs.urls")),
    path("api/", include("offbeat.api.urls")),
    # Until an app of the project answers at /.
    path("", RedirectView.as_view(pattern_name="offbeat_ops:index")),
]

if settings.DEBUG and apps.is_installed("offbeat.dev"):
    urlpatterns.append(path("local/", include("offbeat.dev.urls")))
    urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)
