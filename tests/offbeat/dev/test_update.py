"""`./run update`: what it says, what it refuses, and what it makes of a core that was edited."""

from __future__ import annotations

import pytest

from offbeat.base import read_base
from offbeat.dev import update_plan
from offbeat.dev.update_report import CHANGELOG, changes_between, migrations_between
from tests.offbeat.dev import releases
from tests.offbeat.dev.conflicts import MARK, conflicted_files
from tests.offbeat.dev.repositories import clone, needs_upstream, use_template
from tests.offbeat.support.running import CHECKOUT

pytestmark = needs_upstream


def test_it_says_what_is_new(fork):
    """The changelog between the two versions, the migrations, each file, and what to do next; nothing is committed."""
    said = fork.check("update", "v0.3.0")

    assert "Offbeat 0.2.2 -> 0.3.0, from /" in said
    assert f"## 0.3.0\n{releases.NEWS}" in said
    assert "0.2.1" not in said
    assert "Migrations that the next release applies:\n  offbeat_jobs 0099_note\n" in said
    assert "platform.yaml: changed\n" in said
    assert 'git commit --message "Update Offbeat to 0.3.0"' in said
    assert " M offbeat.toml\n" in fork.changed()
    assert fork.git("log", "--format=%s", "-1") == "Our own\n"


def test_what_is_to_be_done_stands_under_its_version(tmp_path):
    """Headings stay where something is new below them, also below a heading of their own."""
    old = "# Changelog\n\n## 1\n\n### To do\n\n- a\n\n## 0\n\n- c\n"
    for version, text in {"old": old, "new": old.replace("- a\n", "- a\n- b\n")}.items():
        (tmp_path / version / "src/offbeat").mkdir(parents=True)
        (tmp_path / version / CHANGELOG).write_text(text)

    assert changes_between(tmp_path / "old", tmp_path / "new") == "## 1\n### To do\n- b"


def test_the_examples_migrations_are_the_examples(tmp_path):
    """A fork without it reads of none."""
    (tmp_path / "new/src/newsletter/migrations").mkdir(parents=True)
    (tmp_path / "new/src/newsletter/migrations/0002_budget.py").touch()
    versions = tmp_path / "old", tmp_path / "new"

    assert migrations_between(*versions, with_example=False) == "\nNo migrations."
    assert "newsletter 0002_budget" in migrations_between(*versions, with_example=True)


def test_the_new_versions_program_does_it(fork):
    """What the update of the new version does better holds for the update to it."""
    assert "docs/offbeat: replaced whole\n" in fork.check("update")


def test_the_next_update_begins_where_this_one_ended(fork, upstream):
    """A second update has nothing to do; the one after the next release merges against this one."""
    refused = fork.run("update")
    assert refused.returncode == 0
    assert fork.run("update").stderr.startswith("Error: git has uncommitted changes, in ")
    fork.commit("Update")

    assert fork.check("update") == "Nothing to do: this is Offbeat 0.3.0 already.\n"
    assert read_base(fork.folder).commit == upstream.git("rev-parse", "v0.3.0^{commit}").strip()


def test_check_tells_by_its_exit_code(fork):
    """--check ends with 1 while there is something newer, changes nothing, and asks for no clean tree."""
    fork.write("notes.txt", "")

    newer = fork.run("update", "--check")

    assert (newer.returncode, newer.stdout) == (
        1,
        "Offbeat 0.3.0 is there; this is 0.2.2. ./run update takes it.\n",
    )
    assert fork.changed() == "?? notes.txt\n"
    (fork.folder / "notes.txt").unlink()
    fork.check("update")
    assert fork.check("update", "--check") == "Offbeat 0.3.0 is the newest.\n"


def test_an_edited_core_is_refused_with_its_diff(fork):
    """Nothing is changed, and the two ways out are told."""
    fork.append("src/offbeat/ops/urls.py", "# ours\n")
    fork.write("src/offbeat/ops/own.py", "OWN = 1\n")
    fork.commit()

    refused = fork.run("update")

    assert refused.returncode == 77
    assert "\n+# ours\n" in refused.stdout
    assert "\n+OWN = 1\n" in refused.stdout
    assert "the core was edited, in src/offbeat/ops/own.py, src/offbeat/ops/urls.py;" in refused.stderr
    assert "./run update --keep-my-changes" in refused.stderr
    assert fork.changed() == ""


def test_edits_of_the_core_are_made_again(fork):
    """With --keep-my-changes they are on top of the new core: changed, added and deleted files."""
    fork.append("src/offbeat/ops/urls.py", "# ours\n")
    fork.write("src/offbeat/ops/own.py", "OWN = 1\n")
    (fork.folder / "docs/offbeat/deploy/fly.md").unlink()
    fork.commit()

    said = fork.check("update", "--keep-my-changes")

    assert fork.read("src/offbeat/ops/urls.py").endswith("# ours\n")
    assert fork.read("src/offbeat/ops/own.py") == "OWN = 1\n"
    assert not (fork.folder / "docs/offbeat/deploy/fly.md").exists()
    assert "FIXED = True" in fork.read("src/offbeat/ops/__init__.py")
    assert "src/offbeat/ops/own.py: your change, made again\n" in said
    assert read_base(fork.folder).edited_folders(fork.folder) == ["src/offbeat", "docs/offbeat"]


def test_an_edit_of_what_upstream_changed_too(fork):
    """Where both have changed the same lines of the core, the conflict is told, and marked in the file."""
    fork.append("src/offbeat/ops/__init__.py", "\nFIXED = 'by us'\n")
    fork.commit()

    done = fork.run("update", "--keep-my-changes")

    assert done.returncode == 1
    assert "src/offbeat/ops/__init__.py: conflict in 1 place" in done.stdout
    assert MARK in fork.read("src/offbeat/ops/__init__.py")


def test_edits_of_the_core_can_be_forgotten(fork):
    """With --drop-my-changes the core is the new one, as it came."""
    fork.append("src/offbeat/ops/urls.py", "# ours\n")
    fork.commit()

    fork.check("update", "--drop-my-changes")

    assert read_base(fork.folder).edited_folders(fork.folder) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["v9.9.9"], 64, "has no version v9.9.9. There are: v0.3.0, v0.2.2, v0.2.1, v0.2.0."),
        (["0.2.0"], 64, "v0.2.0 is older than what this fork has, 0.2.2. Migrations are not undone"),
    ],
)
def test_a_version_that_cannot_be(fork, arguments, code, words):
    """A version that is unknown or older is refused, and nothing is changed."""
    refused = fork.run("update", *arguments)

    assert refused.returncode == code
    assert words in refused.stderr
    assert fork.changed() == ""


def test_an_upstream_that_does_not_answer(fork):
    """The address and git's own words are told, with where the address is written."""
    text = fork.read("offbeat.toml")
    fork.write("offbeat.toml", text.replace(read_base(fork.folder).upstream, "/nowhere/offbeat"))
    fork.commit()

    refused = fork.run("update")

    assert refused.returncode == 69
    assert refused.stderr.startswith(
        "Error: /nowhere/offbeat: '/nowhere/offbeat' does not appear to be a git repository"
    )
    assert "Hint: `upstream` in offbeat.toml should be" in refused.stderr


def test_a_project_that_was_never_named(upstream, tmp_path):
    """Without offbeat.toml it is told how to record the base, and that works for a project that has lived for long."""
    project = use_template(upstream, tmp_path / "acme", "v0.2.2")
    releases.live_in(project)
    project.commit()

    refused = project.run("update")
    assert refused.returncode == 65
    assert "there is no offbeat.toml" in refused.stderr
    assert "Hint: ./run fork NAME" in refused.stderr

    project.check("fork", "acme", "--upstream", str(upstream.folder))
    project.commit()
    done = project.run("update")
    assert "Offbeat 0.2.2 -> 0.3.0" in done.stdout
    assert conflicted_files(project) == ["platform.yaml"]


def test_a_base_file_that_does_not_read(fork):
    """What is wrong in offbeat.toml is told by its key."""
    fork.edit("offbeat.toml", "example = false", 'example = "no"')
    fork.commit()

    refused = fork.run("update")

    assert refused.returncode == 65
    assert refused.stderr == "Error: offbeat.toml: example: should be true or false, got 'no'\n"


def test_a_project_from_between_two_versions(upstream, tmp_path):
    """A project that was made from no version is known again by its core, though nothing says so."""
    between = upstream.git("rev-list", "--max-count=1", "--grep=A fix", "v0.3.0").strip()
    project = use_template(upstream, tmp_path / "acme", between)
    project.check("fork", "acme", "--upstream", str(upstream.folder))
    project.commit()

    said = project.check("update")

    assert "platform.yaml: changed\n" in said
    assert "src/config/settings.py: " not in said


def test_an_interrupted_update(fork):
    """Half done, it is not gone on with: how to take it back is told, and then it works."""
    fork.edit("platform.yaml", "name: acme", "name: half-done")
    fork.write(".local/update-unfinished", "")

    refused = fork.run("update")

    assert refused.returncode == 75
    assert "an update was interrupted. Hint: git add --all && git reset --hard" in refused.stderr
    fork.git("restore", ".")
    fork.check("update")
    assert not (fork.folder / ".local/update-unfinished").exists()


def test_a_killed_update_leaves_a_core(fork, monkeypatch):
    """Killed while it copies, it leaves a core that ./run can start from, to tell how to go on."""

    def be_killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(update_plan.shutil, "copytree", be_killed)
    with pytest.raises(KeyboardInterrupt):
        update_plan.replace_core(update_plan.Folders(CHECKOUT, fork.folder, CHECKOUT))

    assert "Offbeat 0.3.0 is there" in fork.run("update", "--check").stdout


def test_something_else_in_the_place_of_a_new_file(upstream, tmp_path):
    """A folder where upstream adds a file, or a file where it adds a folder, is a conflict: the team's stays."""
    newer = clone(upstream, tmp_path / "newer")
    newer.write("notes", "of upstream\n")
    newer.write("deploy/notes", "of upstream\n")
    newer.commit()
    releases.release(newer, "0.4.0")
    project = use_template(upstream, tmp_path / "acme", "v0.3.0")
    project.check("fork", "acme", "--upstream", str(newer.folder))
    project.write("notes/first", "ours\n")
    project.write("deploy", "ours\n")
    project.commit()

    done = project.run("update")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 files have conflicts" in done.stdout
    assert "notes: conflict: your file stays, because another file is in its place" in done.stdout
    assert (project.read("notes/first"), project.read("deploy")) == ("ours\n", "ours\n")
