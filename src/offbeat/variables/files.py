"""NAME_FILE: the value of a variable in a file, as Docker, Kubernetes and systemd hand out secrets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.variables.values import cleaned, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = "_FILE"
LARGEST = 64 * 1024  # bytes: a bundle of certificates fits, a path that was mistaken does not
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # where systemd puts what LoadCredential names


def value_of(variables: Mapping[str, str], name: str) -> str:
    """Return the variable, or the content of the file that NAME_FILE names. Raises ValueError, without any content in it."""
    value, path = variables.get(name, ""), cleaned(variables.get(name + SUFFIX, ""))
    if not path:
        return value
    if cleaned(value):
        raise ValueError(f"{name} and {name}{SUFFIX} are both set: remove one of them.")
    return _content(f"{name}{SUFFIX}", _expanded(path, variables.get(CREDENTIALS, "")))


def _expanded(path: str, folder: str) -> str:
    """Replace $CREDENTIALS_DIRECTORY at the beginning: systemd does so nowhere but in a command."""
    for spelling in (f"${{{CREDENTIALS}}}/", f"${CREDENTIALS}/"):
        if folder and path.startswith(spelling):
            return f"{folder}/{path.removeprefix(spelling)}"
    return path


def _content(variable: str, path: str) -> str:
    # Who mistook it for the variable itself has put a secret there.
    where = f"{variable}={shown(path, 1000) if path.startswith(('/', './', '../', '$')) else '…'}"
    try:
        text = _text(Path(path))
    except OSError as error:
        raise ValueError(
            f"{where}: {error.strerror or 'cannot be read'}. Hint: use the path of a file."
        ) from None
    except ValueError as error:
        raise ValueError(f"{where}: the file {error}.") from None
    if not cleaned(text):
        raise ValueError(f"{where}: the file is empty.")
    return text


def _text(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise ValueError("is a directory, or not a regular file")
    with path.open("rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise ValueError(f"has more than {LARGEST // 1024} KiB")
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None
