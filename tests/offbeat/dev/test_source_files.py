"""What counts as a change of the code, whatever made it."""

from __future__ import annotations

import pytest

from offbeat.dev.source_files import SourceFiles, unreadable
from tests.offbeat.support.polling import stays, wait_until


@pytest.fixture
def project(tmp_path):
    (tmp_path / "src/shop/templates").mkdir(parents=True)
    (tmp_path / "src/shop/views.py").write_text("x = 1\n")
    (tmp_path / "src/shop/templates/page.html").write_text("page\n")
    return tmp_path


def move_in(root):
    (root / "elsewhere").mkdir()
    (root / "elsewhere/models.py").touch()
    (root / "elsewhere").rename(root / "src/cake")


def save_by_rename(root):
    (root / "src/shop/.views.py.tmp").write_text("x = 2\n")
    (root / "src/shop/.views.py.tmp").replace(root / "src/shop/views.py")


def rename_module(root):
    (root / "src/shop/views.py").rename(root / "src/shop/pages.py")


def link_folder(root):
    (root / "elsewhere").mkdir()
    (root / "elsewhere/up").symlink_to(root)
    (root / "elsewhere/models.py").touch()
    (root / "src/cake").symlink_to(root / "elsewhere")


CHANGES = {
    move_in: ["src/cake/models.py"],
    save_by_rename: ["src/shop/views.py"],
    rename_module: ["src/shop/pages.py", "src/shop/views.py"],
    link_folder: ["src/cake/models.py"],
    lambda root: (root / "src/shop/views.py").unlink(): ["src/shop/views.py"],
    lambda root: (root / "src/shop/templates/page.html").write_text("another"): [
        "src/shop/templates/page.html"
    ],
    lambda root: (root / "src/shop/static").mkdir(): ["src/shop/static"],
    lambda root: (root / ".env").write_text("X=1\n"): [".env"],
}


@pytest.mark.parametrize(("change", "found"), CHANGES.items())
def test_a_change_is_noticed(project, change, found):
    """New folders, files that go or come by another name, templates, a file that was not there before."""
    files = SourceFiles(project, [".env"])

    change(project)

    assert [each for each in wait_until(files.changes) if "/up/" not in each] == found
    assert files.changes() == []


def test_the_same_size_in_the_same_second_is_a_change(project):
    """Nothing is missed because a file looks much like the one before."""
    files = SourceFiles(project)

    (project / "src/shop/views.py").write_text("x = 2\n")

    assert wait_until(files.changes) == ["src/shop/views.py"]


@pytest.mark.parametrize(
    "name",
    ["src/shop/__pycache__/views.pyc", "src/shop/.views.py.swp", "src/shop/app.log", "tests/test_x.py"],
)
def test_what_no_process_reads_is_none(project, name):
    """Python's own files, an editor's, logs and tests restart nothing."""
    files = SourceFiles(project)

    (project / name).parent.mkdir(exist_ok=True)
    (project / name).touch()

    stays(lambda: files.changes() == [], seconds=1)


@pytest.mark.parametrize("text", ["def x(:\n", "<<<<<<< yours\n", "  x = 1\n", "x = '\0'\n", "x = (\n"])
def test_what_python_cannot_read_is_found(project, text):
    """Half a file, marks of a conflict, a null byte."""
    (project / "src/shop/views.py").write_text(text)

    assert (
        len(list(unreadable(project, ["src/shop/views.py", "src/gone.py", "src/shop/templates/page.html"])))
        == 1
    )
