"""The user model: Django's own, yours to extend. Refer to it by settings.AUTH_USER_MODEL or get_user_model()."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    pass
