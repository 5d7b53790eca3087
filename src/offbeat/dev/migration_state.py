"""The migrations of a developer's database: applied with a line for how far that is, and what of them is missing."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.exceptions import (
    BadMigrationError,
    CircularDependencyError,
    InconsistentMigrationHistory,
    NodeNotFoundError,
)
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState

from offbeat.dev.code_error import CORE, describe_error
from offbeat.dev.progress import Progress
from offbeat.dev.servers import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.migrations.loader import MigrationLoader

# What another branch, or half of a merge, leaves in a folder of migrations.
UNCOMPARABLE = (
    BadMigrationError,
    CircularDependencyError,
    DatabaseError,
    InconsistentMigrationHistory,
    NodeNotFoundError,
)


class Applied(io.StringIO):
    """What `migrate` prints: it tells which migration is being applied."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.current = ""

    def write(self, text: str) -> int:
        if "Applying " in text:
            self.current = text.partition("Applying ")[2].split("...")[0].strip()
            self.progress.advance(self.current)
        elif "OK" in text:
            self.current = ""
        return len(text)


def apply_migrations() -> None:
    """Migrate. Raises CommandError, which names the migration that failed, its file and the error."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    progress = Progress("Migrating the database", len(plan)) if plan else None
    applied = Applied(progress) if progress else io.StringIO()
    try:
        call_command("migrate", interactive=False, no_color=True, stdout=applied)
    except Exception as error:
        if progress:
            progress.clear()
        if not (isinstance(applied, Applied) and applied.current):
            raise
        raise CommandError(_failure(executor.loader, applied.current, error)) from error
    if progress:
        progress.finish(f"Migrated the database, {len(plan)} migrations")


def _failure(loader: MigrationLoader, name: str, error: Exception) -> str:
    app, _, migration = name.partition(".")
    file = Path(inspect.getfile(type(loader.disk_migrations[app, migration])))
    shown = file.relative_to(CHECKOUT) if file.is_relative_to(CHECKOUT) else file
    return f"The migration {name} failed ({shown}): {describe_error(error)}"


def report_migrations() -> Iterator[str]:
    """Give a line for each thing that models, migrations and the database disagree about, with what to do."""
    try:
        executor = MigrationExecutor(connection)
        loader = executor.loader
        loader.check_consistent_history(connection)
    except UNCOMPARABLE as error:
        yield f"Migrations cannot be compared: {str(error).splitlines()[0]}"
        return
    if conflicts := loader.detect_conflicts():
        yield f"Migrations branch in {', '.join(conflicts)}. Hint: ./run manage makemigrations --merge"
        return
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    if waiting := [f"{each.app_label}.{each.name}" for each, _ in plan]:
        yield f"Migrations wait: {', '.join(waiting)}. Hint: ./run manage migrate"
    if changed := _apps_without_migration(loader):
        names = " ".join(changed)
        yield f"Models have changed without a migration: {', '.join(changed)}. Hint: ./run manage makemigrations {names}"
    if ahead := _ahead(loader):
        yield (
            f"The database has newer migrations than the code: {', '.join(ahead)}. Hint: go back to the branch that has them, "
            "and undo them there (./run manage migrate APP NAME), or start with an empty database (./run reset)."
        )


def _apps_without_migration(loader: MigrationLoader) -> list[str]:
    """Return the project's own apps whose models differ from their migrations: those of packages are not its author's."""
    own = {each.label for each in apps.get_app_configs() if _is_own(Path(each.path))}
    state = ProjectState.from_apps(apps)
    detector = MigrationAutodetector(loader.project_state(), state, MigrationQuestioner(dry_run=True))
    return sorted(own & detector.changes(graph=loader.graph).keys())


def _is_own(path: Path) -> bool:
    return path.is_relative_to(CHECKOUT / "src") and not path.is_relative_to(CORE)


def _ahead(loader: MigrationLoader) -> list[str]:
    """Return what is applied and newer than all that is there: those that a squashed one has replaced are older."""
    newest = dict(loader.graph.leaf_nodes())
    missing = loader.applied_migrations.keys() - loader.disk_migrations.keys()
    return sorted(f"{app}.{name}" for app, name in missing if name > newest.get(app, name))
