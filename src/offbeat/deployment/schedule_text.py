"""The text of a schedule: from what a person writes in platform.yaml to five numeric cron fields.

Everything friendly (names, wrapping ranges, ``@daily``, ``H``) ends here: the project goes on with digits.
"""

import hashlib
import re

from offbeat.deployment.schedule_fields import DAY_OF_WEEK, FIELDS, Field, ScheduleError, compact

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def normalised(expression: str, name: str) -> str:
    """Return ``expression`` as five numeric fields, ``H`` expanded for the cronjob ``name``.

    A field that begins with ``*`` still does afterwards: by Debian cron's rules the star decides whether an
    entry follows real time, and whether both day fields must match or either.

    Raises :class:`ScheduleError`, with the expression quoted.
    """
    try:
        return " ".join(map(_normalised_field, FIELDS, _five_fields(expression), [name] * 5))
    except ScheduleError as error:
        raise ScheduleError(f'{error} ("{expression}")') from None


def values(field: Field, text: str) -> list[int]:
    """Return the sorted values of one numeric field, as :func:`normalised` gives it."""
    return sorted({value for term in text.split(",") for value in _term(field, term, name="")})


def _five_fields(expression: str) -> list[str]:
    text = expression.strip()
    fields = (_macro(text) if text.startswith("@") else text).split()
    if len(fields) == 6:
        hint = f'if the first is seconds, write "{" ".join(fields[1:])}"'
        raise ScheduleError(f"should have 5 fields, got 6; seconds and years are not supported: {hint}")
    if len(fields) != 5:
        raise ScheduleError(f"should have 5 fields, got {len(fields)}")
    return fields


def _macro(text: str) -> str:
    if text.lower() == "@reboot":
        raise ScheduleError("@reboot is not a time. Put the command into a service or into release")
    if text.lower() not in MACROS:
        raise ScheduleError(f'should be five fields or one of {", ".join(MACROS)}, got "{text}"')
    return MACROS[text.lower()]


def _normalised_field(field: Field, text: str, name: str) -> str:
    terms = text.split(",")
    numbers = [_term(field, term, name) for term in terms]
    if not text.startswith("*"):
        return compact({number for term in numbers for number in term})
    star, rest = _star(terms[0]), {number for term in numbers[1:] for number in term}
    return f"{star},{compact(rest)}" if rest else star


def _star(term: str) -> str:
    step = int(term.partition("/")[2] or 1)
    return f"*/{step}" if step > 1 else "*"


def _term(field: Field, term: str, name: str) -> list[int]:
    base, slash, step_text = term.partition("/")
    step = _step(field, term, step_text) if slash else None
    numbers = _base(field, base, step, name)[::step]
    return [number % 7 for number in numbers] if field is DAY_OF_WEEK else numbers


def _step(field: Field, term: str, text: str) -> int:
    if re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= field.high:
        return int(text)
    hint = "; steps start again in every cycle of the field" if text.isdecimal() and int(text) else ""
    raise ScheduleError(f'{field.label}: the step should be 1-{field.high}, got "{term}"{hint}')


def _base(field: Field, base: str, step: int | None, name: str) -> list[int]:
    if base == "*":
        return field.span(field.low, field.high)
    if drawn := re.fullmatch(r"H(?:\(([^()-]+)-([^()-]+)\))?", base, re.IGNORECASE):
        return _drawn(field, drawn.groups(), step, name)
    if bounds := re.fullmatch(r"(?!L-)(\w+)-(\w+)", base, re.IGNORECASE):
        return field.span(field.number(bounds[1]), field.number(bounds[2]))
    start = field.number(base)
    return [start] if step is None else field.span(start, field.high)


def _drawn(field: Field, bounds: tuple[str | None, ...], step: int | None, name: str) -> list[int]:
    """Expand ``H``, ``H(0-29)`` or ``H/15``: one value, or a first value within the step."""
    if not name:
        raise ScheduleError(f'{field.label}: "H" needs the name of the cronjob, and there is none')
    low, high = bounds
    choices = field.span(
        field.number(low) if low else field.low, field.number(high) if high else field.highest_draw
    )
    # Not hash(), which differs from one process to the next.
    digest = hashlib.sha256(f"{name}:{field.label}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big")
    if step is None:
        return [choices[draw % len(choices)]]
    return choices[draw % min(step, len(choices)) :]
