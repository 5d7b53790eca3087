"""`./run update`: a newer core, and what upstream has changed in the template, as an uncommitted change of this checkout.

The core is replaced whole; a file of the template is merged three ways between the version that the fork was made from,
the fork's, and the new one. The program of the new version does it, so that what it knows better holds at once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.base import CORE, FILE, Base, BaseFileError, core_trees, read_base, write_base
from offbeat.dev.file_merge import BY_PACKAGE, Outcome, write_outcome
from offbeat.dev.git import TAKE_BACK, GitError, NoRepositoryError, uncommitted_changes
from offbeat.dev.locks import resolve_locks
from offbeat.dev.stop_signals import Stopped, run_until_stopped
from offbeat.dev.thin_files import MarkError
from offbeat.dev.update_plan import Folders, core_outcomes, edited_files, replace_core, thin_outcomes
from offbeat.dev.update_report import changes_between, core_diff, migrations_between
from offbeat.dev.upstream import Upstream, UpstreamError, number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_BASE = (
    f"there is no {FILE}: this is Offbeat itself, or a project without a name. "
    "Hint: ./run fork NAME names it and records its version. You can run it at any time."
)
UNDONE = ".local/update-unfinished"
EDITED = """\
the core was edited, in {files}; an update replaces it completely. The diff is above. Hint:
  ./run update --keep-my-changes   makes the same changes to the new core
  ./run update --drop-my-changes   forgets them
If other projects need it too, contribute it at {upstream}"""
NEXT = """
Next:
  git diff                          what has changed
  ./run check && ./run test         all is well
  git add --all && git commit --message "Update Offbeat to {version}"
  git add --all && git reset --hard undoes everything instead"""
CONFLICTS = """
Error: {count}, see above. Solve what is between <<<<<<< and >>>>>>> first: docs/offbeat/fork.md"""


class UpdateError(Exception):
    """There is no update now; nothing has been changed. Its second argument is the exit code."""


@dataclass(frozen=True)
class UpdateStep:
    """From one commit of upstream to another."""

    base: Base
    upstream: Upstream
    start: str
    name: str  # as a person types the new version
    new: str
    version: str


def main(arguments: Sequence[str]) -> int:
    """Update; returns 0, or 1 for conflicts to solve and for `--check` when there is a newer version.

    64 is for a version that cannot be taken, 65 for a file that does not read, 69 when upstream does not answer,
    75 for uncommitted changes, and 77 for an edited core.
    """
    parser = argparse.ArgumentParser(prog="./run update", description=__doc__)
    parser.add_argument(
        "version", nargs="?", metavar="VERSION", help="like 1.2.3, or a branch; without it the newest"
    )
    parser.add_argument(
        "--check", action="store_true", help="only report whether there is a newer version: then exit with 1"
    )
    core = parser.add_mutually_exclusive_group()
    core.add_argument(
        "--keep-my-changes", action="store_true", help="make the core's edits again to the new core"
    )
    core.add_argument("--drop-my-changes", action="store_true", help="drop the core's edits")
    parser.add_argument("--taken-over", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        return update(Path.cwd(), options)
    except (UpdateError, UpstreamError) as error:
        sys.stderr.write(f"Error: {error.args[0]}\n")
        return int(error.args[1])
    except (BaseFileError, MarkError, GitError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_DATAERR
    except OSError as error:  # a full disk, or a checkout that may not be written
        done = f"{TAKE_BACK} undoes what was done" if Path(UNDONE).exists() else "nothing was changed"
        sys.stderr.write(f"Error: {error}. Hint: {done}; then update again.\n")
        return os.EX_IOERR


def update(root: Path, options: argparse.Namespace) -> int:
    base = read_base(root)
    if base is None:
        raise UpdateError(NO_BASE, os.EX_DATAERR)
    upstream = Upstream(root, base.upstream)
    if not options.taken_over:
        upstream.fetch()
    name = upstream.find(options.version)
    if options.check:
        return tell_newer(base, upstream.version_at(name))
    refuse_uncommitted(root)
    step = UpdateStep(
        base, upstream, upstream.find_base(base), name, upstream.commit_of(name), upstream.version_at(name)
    )
    if step.new == step.start:
        sys.stdout.write(f"Nothing to do: this is Offbeat {step.version} already.\n")
        return 0
    refuse_older(step)
    with tempfile.TemporaryDirectory(prefix="offbeat-update-") as folder:
        if not options.taken_over and (code := hand_over(step, Path(folder), options)) is not None:
            return code
        return take(step, root, Path(folder), options)


def tell_newer(base: Base, version: str) -> int:
    if number_of(version) > number_of(base.version):
        sys.stdout.write(f"Offbeat {version} is there; this is {base.version}. ./run update takes it.\n")
        return 1
    sys.stdout.write(f"Offbeat {base.version} is the newest.\n")
    return 0


def refuse_uncommitted(root: Path) -> None:
    try:
        changes = uncommitted_changes(root)
    except NoRepositoryError as error:
        raise UpdateError(f"{error}. Hint: git init && git add --all && git commit", os.EX_TEMPFAIL) from None
    if not changes:
        (root / UNDONE).unlink(missing_ok=True)
    elif (root / UNDONE).exists():
        raise UpdateError(
            f"an update was interrupted. Hint: {TAKE_BACK} undoes it; then update again.", os.EX_TEMPFAIL
        )
    else:
        hint = "Hint: commit them, the last update's too, so that git can undo an update."
        raise UpdateError(f"git has uncommitted changes, in {changes}. {hint}", os.EX_TEMPFAIL)


def refuse_older(step: UpdateStep) -> None:
    is_older = number_of(step.version) < number_of(step.base.version)
    if is_older or step.upstream.is_ancestor(step.new, step.start):
        why = "Migrations are not undone: use git to return to an older core, and a backup of the database."
        raise UpdateError(
            f"{step.name} is older than what this fork has, {step.base.version}. {why}", os.EX_USAGE
        )


def hand_over(step: UpdateStep, folder: Path, options: argparse.Namespace) -> int | None:
    """Let the new version's own program go on, where it has one; returns its exit code."""
    code = folder / "program"
    step.upstream.export(step.new, code, "src/offbeat")
    if not (code / "src/offbeat/dev/update.py").exists():
        return None
    flags = [f"--{flag}-my-changes" for flag in ("keep", "drop") if getattr(options, f"{flag}_my_changes")]
    command = [sys.executable, "-m", "offbeat.dev.update", step.name, *flags, "--taken-over"]
    environment = os.environ | {"PYTHONPATH": str(code / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(command, env=environment)  # noqa: S603
    try:
        return process.wait()
    except Stopped:  # the terminal has asked it as well, a supervisor us alone
        process.terminate()
        process.wait()
        raise


def take(step: UpdateStep, root: Path, folder: Path, options: argparse.Namespace) -> int:
    """Change the checkout, which is the last thing: what fails before has changed nothing."""
    folders = Folders(folder / "start", root, folder / "new")
    step.upstream.export(step.start, folders.start)
    step.upstream.export(step.new, folders.new)
    if not (options.keep_my_changes or options.drop_my_changes):
        refuse_edited(step, folders)
    labels = (f"Offbeat {step.base.version}", f"Offbeat {step.name}")
    outcomes = thin_outcomes(folders, step.base, labels)
    outcomes += core_outcomes(folders, labels) if options.keep_my_changes else []
    report_new(step, folders)
    (root / UNDONE).touch()
    replace_core(folders)
    for outcome in outcomes:
        write_outcome(root, outcome)
    trees = {name: tree for name, tree in core_trees(folders.new).items() if (root / name).exists()}
    write_base(root, replace(step.base, version=step.version, commit=step.new, core=trees))
    resolved = resolve_locks(root, [outcome.path for outcome in outcomes if outcome.word == BY_PACKAGE])
    (root / UNDONE).unlink()
    return report_files(step, outcomes, resolved)


def refuse_edited(step: UpdateStep, folders: Folders) -> None:
    if edited := edited_files(folders):
        say(core_diff(folders.start, folders.root, edited))
        raise UpdateError(EDITED.format(files=", ".join(edited), upstream=step.base.upstream), os.EX_NOPERM)


def report_new(step: UpdateStep, folders: Folders) -> None:
    say(f"Offbeat {step.base.version} -> {step.version}, from {step.base.upstream}\n")
    say(changes_between(folders.start, folders.new))
    say(migrations_between(folders.start, folders.new, with_example=step.base.example))


def report_files(step: UpdateStep, outcomes: Iterable[Outcome], resolved: str) -> int:
    """Say what became of each file; returns 1 if there are conflicts."""
    say(f"\n{', '.join(CORE)}: replaced")
    for outcome in sorted(outcomes, key=lambda outcome: outcome.is_conflict):
        say(f"{outcome.path}: {outcome.word}")
    say(resolved)
    say(NEXT.format(version=step.version))
    conflicts = sum(outcome.is_conflict for outcome in outcomes)
    if conflicts:
        say(
            CONFLICTS.format(
                count="1 file has conflicts" if conflicts == 1 else f"{conflicts} files have conflicts"
            )
        )
    return 1 if conflicts else 0


def say(text: str) -> None:
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()  # uv speaks for itself in between


if __name__ == "__main__":
    run_until_stopped(main)
