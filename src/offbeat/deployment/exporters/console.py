"""How a person reaches a project that runs on a platform: where a command is typed, and what shows what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass

NAME = "<name>"
"""What stands for the project's name on a page."""


@dataclass(frozen=True, kw_only=True)
class Console:
    """One platform's. In each text, <name> is the project's name; all but `run`, `opens` and `password` are Markdown."""

    where: str
    """Where the commands are typed, in a sentence or two."""
    run: str = "{command}"
    """The line that runs a command. {command} is `python manage.py doctor`, {arguments} `manage.py doctor`, {commas} the same
    with commas, {rest} `doctor`, {words} all of it as a JSON list; {password} is where `password` goes."""
    opens: tuple[str, ...] = ()
    """Lines that are typed once before it: they open a shell, or define what `run` uses."""
    password: str = ""
    """Where a command cannot ask: what hands it the variable DJANGO_SUPERUSER_PASSWORD. Empty where it can."""
    answers: str = ""
    """Where what a command prints is to be read, if that is elsewhere."""
    after: str = ""
    """What to do when all commands are done."""
    fire: str
    """How the platform itself starts the cronjob `prune-jobs` now."""
    state: str
    """What shows which processes run."""
    worker: str
    """How a worker that does not run is started."""
    logs: str
    variables: str
    crons: str
    """What shows the platform's own schedules and their runs."""

    @property
    def asks(self) -> bool:
        return not self.password

    def line(self, arguments: str, *, password: bool = False) -> str:
        """Give the line that runs `python manage.py` with some arguments, which have no quotes and no commas."""
        words = ["python", "manage.py", *arguments.split()]
        forms = {
            "{command}": " ".join(words),
            "{arguments}": " ".join(words[1:]),
            "{commas}": ",".join(words[1:]),
            "{rest}": arguments,
            "{words}": json.dumps(words),
            "{password}": self.password if password else "",
        }
        line = self.run
        for form, text in forms.items():
            line = line.replace(form, text)
        return line

    def first_user(self) -> str:
        """Give the line that makes the first account, a superuser."""
        if self.asks:
            return self.line("createsuperuser")
        return self.line("createsuperuser --noinput --username admin --email you@example.com", password=True)
