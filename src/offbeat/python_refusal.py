"""What is said where a Python runs the project that cannot: too old, or without the packages. Any Python 3 can read this module."""

import os
import shlex
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120  as said above
OLDEST = (3, 11)


def refuse_old_python() -> None:
    """End a process whose Python is too old, before it meets what it cannot read."""
    if sys.version_info < OLDEST:
        end(
            "this is Python {}.{}, and the project needs {}.{} or newer".format(
                *sys.version_info[:2], *OLDEST
            )
        )


def refuse_missing_package(error: ImportError) -> None:
    """End a process that lacks a package, if its Python is not the project's; of another one say nothing."""
    package = (error.name or "").split(".", maxsplit=1)[0]
    # Without a .venv this may be a platform's own Python, which lacks what the requirements lack.
    if is_in_checkout("run" if package == "django" else ".venv") and not is_projects_own():
        end(f"{sys.executable} has no {package}: the project's packages are elsewhere")


def is_projects_own() -> bool:
    return os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(ROOT, ".venv"))  # noqa: PTH118  as above


def is_in_checkout(name: str) -> bool:
    return os.path.exists(os.path.join(ROOT, name))  # noqa: PTH110, PTH118  as above


def end(why: str) -> None:
    sys.stderr.write(f"Error: {why}. {hint()}\n")
    sys.exit(69)


def hint() -> str:
    """Say what to type in place of what was typed."""
    program, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]  # noqa: PTH119  as above
    if program == "manage.py":
        return "Write: {}".format(" ".join(["./run manage", *map(shlex.quote, arguments)]))
    return "Hint: ./run starts everything by the right Python."
