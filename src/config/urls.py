"""Every address of the site: yours, then the core's: /ops/, /cron/, and / where nobody else answers."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

admin.autodiscover()  # here and not at start: a wake-up, which has no pages, is spared the import

urlpatterns = [
    path("", include("newsletter.urls")),  # example
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("offbeat.urls")),
]
