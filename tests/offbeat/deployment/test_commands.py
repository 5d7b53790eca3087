"""check_platform and export_platform as a person uses them."""

import io

import pytest
from django.core.management import CommandError, call_command

from offbeat.deployment import committed_files, pages, spec
from offbeat.deployment.exporters import TARGETS, facts_of
from tests.offbeat.deployment.golden.variants import SHIPPED


@pytest.fixture
def complete(monkeypatch):
    """Let platform.yaml say where the code and the image are, as some platforms ask."""
    monkeypatch.setattr(spec, "read", lambda: SHIPPED)


def run(name, *arguments, **options):
    """Give what a command printed, and what it said on the side."""
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def test_a_good_file_is_one_sentence():
    """Nothing to fix takes one line to tell."""
    out, err = run("check_platform")

    assert out.startswith("platform.yaml is correct: 2 services, ")
    assert err == ""


def test_the_checks_of_cronjobs_are_among_those_of_the_file(settings):
    """Whoever asks whether platform.yaml is correct is told of its cronjobs' commands and settings, too."""
    settings.OFFBEAT_CRONJOBS = {"heel": 1}
    err = io.StringIO()

    with pytest.raises(CommandError, match="1 to fix"):
        call_command("check_platform", stderr=err, no_color=True)

    assert "offbeat_cronjobs.E004" in err.getvalue()


def test_files_made_of_the_spec_are_current():
    """The schema, the Procfile, the reference and the pages say what the code says."""
    assert list(committed_files.stale_files()) == [], "run: python manage.py check_platform --write"


@pytest.mark.parametrize("name", TARGETS)
def test_every_platform_has_a_page(name):
    """Whoever can export for a platform can read how to get there, and what it cannot do."""
    page = (pages.FOLDER / f"{name}.md").read_text()

    assert f"export_platform {name} --write" in page
    assert all(note in page for note in facts_of(name).notes)
    assert f"]({name}.md)" in pages.OVERVIEW.read_text()


def test_stale_files_are_told_and_written_again(monkeypatch, tmp_path):
    """A stale file fails the check, with the command that mends it; the command mends it."""
    monkeypatch.setattr(committed_files, "ROOT", tmp_path)
    monkeypatch.setattr(committed_files, "wanted_files", lambda: {tmp_path / "made.txt": "new\n"})
    (tmp_path / "made.txt").write_text("old\n")
    err = io.StringIO()

    with pytest.raises(CommandError, match="1 to fix") as caught:
        call_command("check_platform", stderr=err, no_color=True)
    out, _ = run("check_platform", "--write")

    assert caught.value.returncode == 78
    assert "made.txt: is out of date. Run: python manage.py check_platform --write" in err.getvalue()
    assert "wrote made.txt" in out
    assert (tmp_path / "made.txt").read_text() == "new\n"


def test_a_platforms_warnings_can_be_asked_for():
    """What a platform will make of the schedules is told before anything is exported."""
    _, err = run("check_platform", "--for", "render")

    assert "render: " in err


@pytest.mark.parametrize(("command", "arguments"), [("check_platform", ["--for"]), ("export_platform", [])])
def test_a_missing_image_is_told_with_a_hint(command, arguments):
    """A fork that has not said where its image is is told so, before anything is deployed."""
    with pytest.raises(
        CommandError, match=r"image: is missing, and Kubernetes needs it: .* Hint: image: "
    ) as refused:
        call_command(command, *arguments, "kubernetes", stdout=io.StringIO(), stderr=io.StringIO())

    assert refused.value.returncode == 78


def test_an_export_is_printed_with_its_warnings_on_the_side():
    """Standard output is the file alone, so that it can be redirected."""
    out, err = run("export_platform", "render")

    assert out.startswith('# Made from platform.yaml by "python manage.py export_platform render".')
    assert "Made from" not in err
    assert err.startswith("render: ")


def test_an_export_of_several_files_names_each():
    """One can see what belongs where."""
    out, _ = run("export_platform", "heroku")

    assert [line for line in out.splitlines() if line.startswith("# ----")] == [
        "# ---- heroku.yml",
        "# ---- app.json",
        "# ---- deploy/heroku/scheduler.md",
    ]


def test_all_platforms_are_written_each_into_its_folder(complete, tmp_path):
    """One command shows what every platform would get."""
    run("export_platform", "--all", str(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(TARGETS)
    assert (tmp_path / "fly" / "fly.toml").exists()
    assert (tmp_path / "dokku" / "deploy/dokku/setup.sh").stat().st_mode & 0o100


def test_a_current_export_passes_the_check(complete, tmp_path):
    """CI is silent as long as the committed files are what would be written."""
    run("export_platform", "--all", str(tmp_path))

    out, _ = run("export_platform", "--all", str(tmp_path), "--check")

    assert out.splitlines() == [f"{name}: current" for name in TARGETS]


@pytest.mark.parametrize(
    ("harm", "state"), [("touched", "has drifted from platform.yaml"), ("removed", "is missing")]
)
def test_a_drifted_export_fails_the_check(complete, tmp_path, harm, state):
    """A file that somebody changed by hand, or forgot, is named with the command that makes it again."""
    run("export_platform", "--all", str(tmp_path))
    path = tmp_path / "render" / "render.yaml"
    path.write_text("touched") if harm == "touched" else path.unlink()

    with pytest.raises(CommandError) as caught:
        run("export_platform", "--all", str(tmp_path), "--check")

    assert caught.value.returncode == 78
    assert str(caught.value).splitlines() == [
        f"{path}: {state}",
        "Write it again: python manage.py export_platform render --write",
    ]


def test_a_check_writes_nothing(tmp_path):
    """--check is for places where nothing may change."""
    with pytest.raises(CommandError):
        run("export_platform", "--all", str(tmp_path), "--check")

    assert list(tmp_path.iterdir()) == []


def test_no_platform_is_a_mistake_of_usage():
    """The command says what it needs."""
    with pytest.raises(CommandError, match="Give the name of a platform, or --all DIR") as caught:
        run("export_platform")

    assert caught.value.returncode == 64


def test_an_unknown_platform_is_answered_with_the_known_ones():
    """A misspelt platform is a mistake of usage."""
    with pytest.raises(CommandError, match=r"invalid choice: 'herok'.*heroku"):
        run("export_platform", "herok")
