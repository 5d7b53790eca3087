"""Offbeat's core: replaced whole by an update, edited by nobody. What a project may import is on docs/offbeat/api.md."""
