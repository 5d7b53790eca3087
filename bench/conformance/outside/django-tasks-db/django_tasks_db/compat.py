try:
    from django.tasks.base import Task, TaskResultStatus
except ImportError:
    from django_tasks.base import Task, TaskResultStatus

__all__ = ["Task", "TaskResultStatus"]
