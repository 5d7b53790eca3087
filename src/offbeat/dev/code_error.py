"""An error of the project's code as its author wants to see it: the place, the line, the words. Not the way there."""

from __future__ import annotations

import traceback
from pathlib import Path

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
        return f"{kind}: {said}"
    line = f"\n    {frame.line.strip()}" if frame.line else ""
    return f"{_shown(frame.filename, root)}, line {frame.lineno}, in {frame.name}: {kind}: {said}{line}"


def _syntax_error(error: SyntaxError, root: Path) -> str:
    text = (error.text or "").rstrip("\n")
    indent = len(text) - len(text.lstrip())
    mark = f"\n    {' ' * max(0, (error.offset or 0) - 1 - indent)}^" if text and error.offset else ""
    shown = f"\n    {text.strip()}{mark}" if text else ""
    return f"{_shown(str(error.filename), root)}, line {error.lineno}: {error.msg}{shown}"


def _frame_of(error: BaseException, root: Path) -> traceback.FrameSummary | None:
    """Return the last place in the project's own code that the error came through, or else in the core's."""
    chain: list[BaseException] = []
    while error and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    frames = [frame for each in reversed(chain) for frame in traceback.extract_tb(each.__traceback__)]
    ours = [each for each in frames if _is_below(each.filename, root)]
    own = [
        each
        for each in ours
        if not _is_below(each.filename, CORE) and Path(each.filename).name != "manage.py"
    ]
    return next(reversed(own or ours), None)


def _is_below(name: str, folder: Path) -> bool:
    path = Path(name)
    return path.is_relative_to(folder) and not {".venv", "site-packages"} & set(path.parts)


def _shown(name: str, root: Path) -> str:
    return str(Path(name).relative_to(root)) if Path(name).is_relative_to(root) else name
