"""`./run manage startapp NAME`."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from offbeat.dev import new_app

SETTINGS = 'INSTALLED_APPS = [\n    "accounts",\n    *OFFBEAT_APPS,\n]\n'


@pytest.fixture
def project(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.fixture
def settings_file(project, monkeypatch, settings):
    file = project / "src/corner_settings.py"
    file.write_text(SETTINGS)
    monkeypatch.syspath_prepend(file.parent)
    monkeypatch.setattr(
        "offbeat.dev.management.commands.startapp.import_module", lambda _: type("M", (), {"__file__": file})
    )
    return file


def test_an_app_is_made_where_it_belongs(project, settings_file, capsys):
    """Its code, its tests, and its line in the settings."""
    call_command("startapp", "corner_shop")

    assert (
        'class CornerShopConfig(AppConfig):\n    name = "corner_shop"'
        in (project / "src/corner_shop/apps.py").read_text()
    )
    assert (project / "src/corner_shop/migrations/__init__.py").is_file()
    assert "is_installed" in (project / "tests/corner_shop/test_corner_shop.py").read_text()
    assert settings_file.read_text() == SETTINGS.replace("[\n", '[\n    "corner_shop",\n', 1)
    assert "added to INSTALLED_APPS in src/corner_settings.py" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["INSTALLED_APPS = core.apps()\n", "INSTALLED_APPS += [\n]\n", ""])
def test_settings_of_another_kind_are_left_alone(project, settings_file, capsys, text):
    """One line says what to add."""
    settings_file.write_text(text)

    call_command("startapp", "shop")

    assert settings_file.read_text() == text
    assert 'Add it yourself: "shop" in INSTALLED_APPS of src/corner_settings.py' in capsys.readouterr().out


def test_a_list_in_one_line(tmp_path):
    """It stays one."""
    file = tmp_path / "settings.py"
    file.write_text('INSTALLED_APPS: list[str] = ["accounts"]\n')

    assert new_app.install_app("shop", file)
    assert file.read_text() == 'INSTALLED_APPS: list[str] = ["shop", "accounts"]\n'


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("corner-shop", r'"corner-shop" is no name of an app.*Hint: \./run manage startapp corner_shop'),
        ("CornerShop", r"Hint: \./run manage startapp corner_shop"),
        ("2shop", r"Hint: \./run manage startapp shop"),
        ("class", r"Hint: \./run manage startapp class_app"),
        ("größe", "is no name of an app"),
        ("", "is no name of an app"),
        ("../shop", r"Hint: \./run manage startapp shop"),
        ("offbeat_shop", 'begin with "offbeat" are the core\'s'),
        ("auth", "is the label of the installed app django.contrib.auth"),
        ("platform", "is a Python module already"),
        ("celery", "is a Python module already"),
        ("tests", "is a Python module already"),
    ],
)
def test_a_bad_name_is_refused(project, settings_file, name, said):
    """Before anything is written, with what would be right."""
    with pytest.raises(CommandError, match=said) as refused:
        call_command("startapp", name)

    assert refused.value.returncode == 64
    assert sorted(path.name for path in project.rglob("*")) == ["corner_settings.py", "src", "tests"]


def test_what_is_there_is_kept(project, settings_file):
    """Somebody's tests may wait for the app."""
    (project / "tests/shop").mkdir()

    with pytest.raises(CommandError, match="tests/shop exists already"):
        call_command("startapp", "shop")


def test_a_directory_of_ones_own(project, settings_file):
    """Is Django's own way."""
    (project / "elsewhere").mkdir()

    call_command("startapp", "shop", str(project / "elsewhere"))

    assert (project / "elsewhere/views.py").is_file()
    assert settings_file.read_text() == SETTINGS
