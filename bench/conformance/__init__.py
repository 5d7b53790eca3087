"""Tests that others wrote for their backends of Django's Tasks, run against ours: nothing of them is kept here."""
