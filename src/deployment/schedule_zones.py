"""Time zones of schedules: is a name known, and which was meant if not."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deployment.schedule_fields import ScheduleError


def check_zone(name: str) -> None:
    """Raise :class:`ScheduleError` with the nearest known name unless ``name`` is a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f'timezone: "{name}" is not known; {_hint(name)}') from None


def _hint(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 -- only a mistake needs it
    from zoneinfo import available_timezones  # noqa: PLC0415 -- reads the whole directory

    zones = sorted(available_timezones(), key=lambda zone: ("/" not in zone, zone), reverse=True)
    # By city as well, so that "berlin" finds Europe/Berlin.
    known = {zone.rpartition("/")[2].lower(): zone for zone in zones} | {zone.lower(): zone for zone in zones}
    near = get_close_matches(name.lower().replace(" ", "_"), known, n=1, cutoff=0.7)
    return f'did you mean "{known[near[0]]}"?' if near else 'write a name such as "Europe/Berlin"'
