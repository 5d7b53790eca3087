"""Effects that tasks leave behind, so that a test can count how often each happened."""

from django.db import models
from django.db.models.functions import Now


class Effect(models.Model):
    """One line for each thing that a task did."""

    label = models.CharField(max_length=100, db_index=True)
    what = models.CharField(max_length=20)  # "start" or "done"
    pid = models.IntegerField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.label} {self.what} in {self.pid}"
