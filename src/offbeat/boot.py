"""Every process starts through here: what the operator got wrong ends in one clear message, never in a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from offbeat.python_refusal import refuse_missing_package

try:
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
except ImportError as error:
    refuse_missing_package(error)
    raise

from offbeat import garbage_collector
from offbeat.env import env
from offbeat.first_process import end_on_sigterm
from offbeat.retired_settings import retired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Turn a misconfiguration into exit 78 (EX_CONFIG), a PostgreSQL that is down or not migrated into 69 (EX_UNAVAILABLE)."""
    try:
        yield
    except ImproperlyConfigured as error:
        exit_process(os.EX_CONFIG, str(error))
    except Exception as error:
        from django.db import OperationalError  # noqa: PLC0415  only who fails pays for the import

        if text := explain_missing_migration(error):
            exit_process(os.EX_UNAVAILABLE, text)
        if not isinstance(error, OperationalError):
            raise
        from offbeat.redaction import first_line  # noqa: PLC0415  as above

        exit_process(os.EX_UNAVAILABLE, f"{database()}: {first_line(error)}")


def explain_missing_migration(error: Exception) -> str:
    from django.db import ProgrammingError  # noqa: PLC0415  as above

    if not isinstance(error, ProgrammingError):
        return ""
    from offbeat import missing_migration  # noqa: PLC0415  as above

    return missing_migration.explain_missing_migration(error)


def read_settings() -> None:
    """Read the settings now: what is wrong with them is told before anything starts, and ends the process with 78."""
    end_on_sigterm()
    sys.excepthook = show_exception
    threading.excepthook = show_exception_of_thread
    with garbage_collector.paused(), clear_errors(), _clear_missing_package():
        refuse_retired_settings()
        settings.INSTALLED_APPS  # noqa: B018  any attribute makes Django read them
        if "offbeat.settings" in sys.modules:
            env.complain()  # for a project whose settings take in the core's, and forget it


@contextlib.contextmanager
def _clear_missing_package() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        name = os.environ.get("DJANGO_SETTINGS_MODULE", "")
        if error.name and f"{name}.".startswith(f"{error.name}."):
            hint = "Hint: unset it, unless you have a module of that name: another project's shell may have set it."
            exit_process(
                os.EX_CONFIG, f"DJANGO_SETTINGS_MODULE is {name}, and there is no module {error.name}. {hint}"
            )
        refuse_missing_package(error)
        raise


def refuse_retired_settings() -> None:
    """Raise ImproperlyConfigured with what this Django would refuse less clearly."""
    name = os.environ.get("DJANGO_SETTINGS_MODULE")
    if name and (problems := list(retired(vars(import_module(name))))):
        raise ImproperlyConfigured("\n".join(problems))


def show_exception(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    """Print what nobody has caught as Python does, but without the secrets in it."""
    if not issubclass(kind, Exception):
        sys.__excepthook__(kind, error, frames)
        return
    from offbeat.redaction import format_traceback  # noqa: PLC0415  only who fails pays for the import

    sys.stderr.write(format_traceback(error, frames))


def show_exception_of_thread(of: threading.ExceptHookArgs) -> None:
    if isinstance(of.exc_value, Exception):
        sys.stderr.write(f"Exception in thread {of.thread.name if of.thread else ''}:\n")
        show_exception(of.exc_type, of.exc_value, of.exc_traceback)
    else:
        threading.__excepthook__(of)


def database() -> str:
    """Name the database as an operator knows it, without the password."""
    values = settings.DATABASES["default"]
    return f"DATABASE_URL (PostgreSQL at {values['HOST'] or 'a local socket'}:{values['PORT'] or 5432}, database {values['NAME']})"


def exit_process(code: int, message: str) -> NoReturn:
    sys.stderr.write("".join(f"Error: {line}\n" for line in message.splitlines()))
    sys.exit(code)
