"""`./run check locks`: refuses migrations that lock a table while they work, or that the code beside them does not survive.

What a migration does is asked of Django, without a database; what that locks is known by squawk.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.contrib.postgres.operations import CreateCollation, CreateExtension
from django.db import OperationalError, connection
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import AlterField
from django.db.migrations.loader import MigrationLoader
from django.db.models import CharField

from offbeat.boot import read_settings
from offbeat.dev.servers import CHECKOUT, IS_FORK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.migrations import Migration
    from django.db.migrations.state import ProjectState

BEHIND = "docs/offbeat/migrations.md"
OLD_CODE = "the code that runs with the new schema until the deploy is over"
# What squawk knows, and what Django has for it. Its other rules are matters of taste, or what `release` does for each migration.
REFUSED = {
    "require-concurrent-index-creation": "BuildIndex of offbeat.database.index_operations, in a migration with atomic = False",
    "require-concurrent-index-deletion": "RemoveIndexConcurrently, in a migration with atomic = False",
    "require-concurrent-reindex": "REINDEX … CONCURRENTLY, in a migration with atomic = False",
    "ban-concurrent-index-creation-in-transaction": "atomic = False in a migration of its own",
    "adding-field-with-default": "null=True, fill it in batches, then NOT NULL",
    "adding-required-field": "null=True, or a db_default",
    "adding-not-nullable-field": "a CHECK constraint that is not valid yet, then ValidateConstraint",
    "adding-serial-primary-key-field": "a new table",
    "adding-foreign-key-constraint": "a new column with null=True, or NOT VALID by RunSQL and VALIDATE in the next migration",
    "constraint-missing-not-valid": "AddConstraintNotValid, and ValidateConstraint in the next migration",
    "disallowed-unique-constraint": "a unique index by CREATE UNIQUE INDEX CONCURRENTLY, then the constraint USING INDEX",
    "changing-column-type": "a new column, filled in batches",
    "ban-drop-default": f"db_default, without which {OLD_CODE} inserts no rows",
    "ban-drop-column": f"first a deploy whose code does not read it: {OLD_CODE} does",
    "ban-drop-table": f"first a deploy whose code does not read it: {OLD_CODE} does",
    "renaming-column": f"a new column, or db_column: {OLD_CODE} knows the old name",
    "renaming-table": f"db_table: {OLD_CODE} knows the old name",
    "unchecked": "RunSQL, or check what ./run manage sqlmigrate prints",
}
HARMLESS = (CreateExtension, CreateCollation)  # they ask the database, and lock no table
ACCEPTED = re.compile(r"#\s*accepts ([a-z-]+): \S")
CREATED = re.compile(r'CREATE TABLE ("[^"]+")')
CHANGED = re.compile(r'(?:ALTER TABLE|INDEX .* ON) ("[^"]+")')
EMPTY_KEY = re.compile(r'ALTER TABLE "[^"]+" ADD COLUMN "[^"]+" \w+ NULL CONSTRAINT "[^"]+" REFERENCES ')
REQUIRED = re.compile(r"ADD COLUMN .*\bNOT NULL\b", re.DOTALL)


class OfflineEditor(DatabaseSchemaEditor):
    """Writes a migration's SQL down; a constraint whose name only a database knows gets one that stands for it."""

    def _constraint_names(self, *_: Any, **__: Any) -> list[str]:
        return ["constraint_name"]


@dataclass
class Script:
    """The SQL of one migration; `operations` has what each of its lines comes from."""

    path: Path
    is_atomic: bool
    text: str = ""
    operations: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)  # operations that only a database can tell of

    def is_of_new_table(self, line: int) -> bool:
        """Tell whether a line changes a table that this migration has made: nobody else uses it yet."""
        changed = CHANGED.search(self.text.splitlines()[line])
        return changed is not None and changed[1] in CREATED.findall(self.text)

    def is_quick(self, rule: str, line: int) -> bool:
        """Tell whether PostgreSQL looks at no row for it: a key of a new column that is empty has none to compare."""
        text = self.text.splitlines()[line]
        return rule == "adding-foreign-key-constraint" and EMPTY_KEY.match(text) is not None

    def add(self, operation: str, statements: Sequence[str]) -> None:
        # Whether a default may go depends on the column: one that may be empty can do without.
        is_required = any(REQUIRED.search(each) for each in statements)
        for statement in statements:
            if statement.startswith("--") or (statement.endswith(" DROP DEFAULT;") and not is_required):
                continue
            self.text += f"{statement}\n"
            self.operations += [operation] * (statement.count("\n") + 1)

    def problem(self, rule: str, operation: str, message: str) -> Iterator[str]:
        """Give what is wrong in a line, unless the migration accepts it, or the rule is one of squawk's that are not ours."""
        if rule in REFUSED and rule not in ACCEPTED.findall(self.path.read_text()):
            where = f"{str(self.path).removeprefix(f'{CHECKOUT}/')}: {operation}"
            yield f"{where}: {message} ({rule}) Right: {REFUSED[rule]}."


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    read_settings()
    django.setup()
    stay_offline()
    return report()


def report() -> int:
    """Print what the migrations of this project lock; return 1 if that is anything."""
    scripts = [write_script(each, path_of(each)) for each in own_migrations()]
    problems = sorted(find_problems(scripts))
    if problems:
        sys.stdout.write("".join(f"{each}\n" for each in problems))
        sys.stdout.write(
            f"Hint: {BEHIND} shows the ways without a lock. If it does no harm (the table is small or new), "
            "write into the migration: # accepts RULE: why\n"
        )
    return 1 if problems else 0


def stay_offline() -> None:
    """Let Django answer by itself what it would ask the database for."""
    editor = OfflineEditor(connection, collect_sql=True, atomic=False)
    connection.__dict__["pg_version"] = 180000
    ops: Any = connection.ops
    ops.compose_sql = lambda sql, values: sql % tuple(editor.quote_value(value) for value in values or ())


def own_migrations() -> Iterator[Migration]:
    """Give the migrations of this checkout: in a fork those of the team, else the core's too."""
    for migration in MigrationLoader(None).disk_migrations.values():
        folder = Path(apps.get_app_config(migration.app_label).path)
        is_core = folder.is_relative_to(CHECKOUT / "src" / "offbeat")
        if folder.is_relative_to(CHECKOUT / "src") and not (is_core and IS_FORK):
            yield migration


def path_of(migration: Migration) -> Path:
    return Path(str(sys.modules[migration.__module__].__file__))


def write_script(migration: Migration, path: Path) -> Script:
    """Write down what a migration does; what its Python does is not in it."""
    script = Script(path, migration.atomic)
    loader = MigrationLoader(None)
    place = migration.app_label, migration.name
    known = place if place in loader.graph.nodes else next(iter(migration.dependencies))
    state = loader.project_state(known, at_end=known != place)
    for operation in migration.operations:
        before = state.clone()
        operation.state_forwards(migration.app_label, state)
        if operation.reduces_to_sql and not isinstance(operation, HARMLESS):
            _write_operation(script, operation, migration.app_label, (before, state))
    return script


def _write_operation(
    script: Script, operation: Any, app: str, states: tuple[ProjectState, ProjectState]
) -> None:
    if is_widened(operation, app, *states):
        return
    editor = OfflineEditor(connection, collect_sql=True, atomic=False)
    try:
        with editor:
            operation.database_forwards(app, editor, *states)
    except OperationalError:
        script.unchecked.append(type(operation).__name__)
    script.add(type(operation).__name__, [str(each) for each in editor.collected_sql])


def is_widened(operation: Any, app: str, before: ProjectState, after: ProjectState) -> bool:
    """Tell whether a text only becomes longer, for which PostgreSQL touches no row and no index."""
    if not isinstance(operation, AlterField):
        return False
    old, new = (
        state.models[app, operation.model_name.lower()].get_field(operation.name) for state in (before, after)
    )
    if not (isinstance(old, CharField) and isinstance(new, CharField) and old.max_length and new.max_length):
        return False
    others = [{**each.deconstruct()[3], "max_length": 0} for each in (old, new)]
    return old.max_length <= new.max_length and others[0] == others[1]


def find_problems(scripts: Sequence[Script]) -> Iterator[str]:
    """Give each problem in a line: where, what, and what would be right."""
    for script in scripts:
        for operation in script.unchecked:
            yield from script.problem(
                "unchecked", operation, "It queries the database, so it cannot be checked here."
            )
    for is_atomic in (True, False):
        some = [each for each in scripts if each.is_atomic is is_atomic and each.text]
        with tempfile.TemporaryDirectory() as folder:
            for number, script in enumerate(some):
                # Django's Now() is as stable as this one, which squawk knows: no row is written.
                text = script.text.replace("(STATEMENT_TIMESTAMP())", "now()")
                Path(folder, f"{number}.sql").write_text(text)
            found = squawk(folder, is_atomic) if some else []
        for each in found:
            script, line = some[int(Path(each["file"]).stem)], each["line"]
            if not script.is_of_new_table(line) and not script.is_quick(each["rule_name"], line):
                yield from script.problem(each["rule_name"], script.operations[line], each["message"])


def squawk(folder: str, is_atomic: bool) -> list[dict[str, Any]]:
    command = [str(Path(sys.executable).with_name("squawk")), "--reporter", "json", "--pg-version", "14"]
    command += ["--assume-in-transaction"] if is_atomic else ["--no-assume-in-transaction"]
    done = subprocess.run([*command, f"{folder}/*.sql"], capture_output=True, text=True, check=False)  # noqa: S603
    if not done.stdout.lstrip().startswith("["):
        sys.stderr.write(f"Error: squawk: {done.stderr.strip() or done.stdout.strip()}\n")
        sys.exit(os.EX_SOFTWARE)
    return list(json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
