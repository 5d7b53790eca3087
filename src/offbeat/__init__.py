"""Offbeat's core: replaced whole by an update, edited by nobody. What a project may import is on docs/offbeat/api.md."""

from offbeat.python_refusal import refuse_old_python

refuse_old_python()
