"""People who may see and do everything on the ops pages, without being superusers."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

CODENAMES = [
    *(f"view_{model}" for model in ("job", "batch", "worker", "cronjob", "slot", "incident", "auditentry")),
    "change_job",
    "change_cronjob",
]


def make_operator(name, **values):
    """Make a user with what the group "operators" has; the group itself is gone after a test that empties all tables."""
    user = get_user_model().objects.create_user(name, is_staff=True, **values)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label__startswith="offbeat_", codename__in=CODENAMES)
    )
    return user
