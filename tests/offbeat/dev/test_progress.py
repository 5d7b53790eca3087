"""How far something has come, on a terminal and in a file."""

from __future__ import annotations

import io

from offbeat.dev.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_file_gets_a_few_lines():
    """The first line comes at once, then one for each quarter, and the result."""
    stream = io.StringIO()
    progress = Progress("Downloading", 100, stream)
    for number in range(100):
        progress.advance(f"package-{number}")
    progress.finish("Downloaded 100 packages")

    assert stream.getvalue().splitlines() == [
        "Downloading 0/100",
        "Downloading 25/100 package-24",
        "Downloading 50/100 package-49",
        "Downloading 75/100 package-74",
        "Downloaded 100 packages (0 s)",
    ]


def test_a_terminal_gets_one_line(monkeypatch):
    """A bar is drawn over itself, never wider than the terminal, and gives way to the result."""
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    progress = Progress("Downloading", 2, stream)
    progress.advance("a-package-with-a-name-that-is-longer-than-the-line")
    progress.finish("Downloaded")

    first, second, last = stream.getvalue().split("\r\033[K")[1:]
    assert first == "Downloading [                        ] 0/2"
    assert second.startswith("Downloading [############            ] 1/2 a-package")
    assert len(second) < 60
    assert last == "Downloaded (0 s)\n"


def test_what_cannot_be_counted_is_said():
    """Nobody waits without knowing for what."""
    stream = io.StringIO()

    Progress("Making .venv", stream=stream).clear()

    assert stream.getvalue() == "Making .venv ...\n"
