"""An error of the project's code as its author wants to see it: the place, the line, the words. Not the way there."""

from __future__ import annotations

import traceback
from pathlib import Path

from django.conf import settings

from offbeat.dev.servers import CHECKOUT
from offbeat.redaction import redact

CORE = CHECKOUT / "src" / "offbeat"


def describe_error(error: BaseException, root: Path = CHECKOUT) -> str:
    """Return the error in two or three lines; the first one has its place, where that is in the project."""
    if isinstance(error, SyntaxError) and error.filename:
        return _syntax_error(error, root)
    kind = type(error).__name__
    said = redact(str(error).strip()) or "no message"
    if not (frame := _frame_of(error, root)):
        return f"{kind}: {said}{_named_by_settings(error)}"
    line = f"\n    {frame.line.strip()}" if frame.line else ""
    return f"{_shown(frame.filename, root)}, line {frame.lineno}, in {frame.name}: {kind}: {said}{line}"


def _named_by_settings(error: BaseException) -> str:
    """Return which app it was that Django did not find: no line of the project imports it."""
    if not isinstance(error, ModuleNotFoundError) or not settings.configured:
        return ""
    named = [each for each in settings.INSTALLED_APPS if f"{each}.".startswith(f"{error.name}.")]
    return f"\n    INSTALLED_APPS of {settings.SETTINGS_MODULE} has {named[0]!r}" if named else ""


def _syntax_error(error: SyntaxError, root: Path) -> str:
    text = (error.text or "").rstrip("\n")
    indent = len(text) - len(text.lstrip())
    mark = f"\n    {' ' * max(0, (error.offset or 0) - 1 - indent)}^" if text and error.offset else ""
    shown = f"\n    {text.strip()}{mark}" if text else ""
    return f"{_shown(str(error.filename), root)}, line {error.lineno}: {error.msg}{shown}"


def _frame_of(error: BaseException, root: Path) -> traceback.FrameSummary | None:
    """Return the last place in the project's own code that the error came through.

    The core is a place only for what it raises itself: it loads everything, so it is on the way to every error of Django's.
    """
    chain: list[BaseException] = []
    while error and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    frames = [frame for each in reversed(chain) for frame in traceback.extract_tb(each.__traceback__)]
    own = [each for each in frames if _is_of_project(each.filename, root)]
    raised_by_core = frames[-1:] if frames and _is_below(frames[-1].filename, CORE) else []
    return next(reversed(own or raised_by_core), None)


def _is_of_project(name: str, root: Path) -> bool:
    return _is_below(name, root) and not _is_below(name, CORE) and Path(name).name != "manage.py"


def _is_below(name: str, folder: Path) -> bool:
    path = Path(name)
    return path.is_relative_to(folder) and not {".venv", "site-packages"} & set(path.parts)


def _shown(name: str, root: Path) -> str:
    return str(Path(name).relative_to(root)) if Path(name).is_relative_to(root) else name
