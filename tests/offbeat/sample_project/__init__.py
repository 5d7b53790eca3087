"""A small project for the core's own tests: whatever a fork makes of its platform.yaml and settings is not in it."""

from tests.offbeat.sample_project.celery import app as celery_app

__all__ = ["celery_app"]
