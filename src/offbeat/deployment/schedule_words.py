"""A schedule in words, for the ops page and the terminal. Imported only when somebody reads it."""

from typing import TYPE_CHECKING

from cron_descriptor import ExpressionDescriptor, Options

if TYPE_CHECKING:
    from offbeat.deployment.schedule import Schedule


def in_words(schedule: "Schedule") -> str:
    """Return the schedule in English on the 24-hour clock, with its time zone."""
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    words = ExpressionDescriptor(schedule.cron, options).get_description()
    day_of_month, _, day_of_week = schedule.cron.split()[2:]
    if day_of_month.startswith("*") or day_of_week.startswith("*"):
        # cron-descriptor says "or" for two day fields even where a star makes cron want both.
        words = words.replace(", or on ", ", and only on ")
    return f"{words} ({schedule.timezone})"
