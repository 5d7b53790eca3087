"""`./run check locks`: which migrations it refuses, and why."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    HStoreExtension,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection, migrations, models
from django.db.models import Q
from django.db.models.functions import Now

from offbeat.database.index_operations import BuildIndex
from offbeat.dev import migration_locks
from offbeat.dev.servers import IS_FORK
from tests.offbeat.support.running import CHECKOUT

INDEX = models.Index(fields=["pid"], name="by_pid")
POSITIVE = models.CheckConstraint(condition=Q(pid__gte=0), name="positive")


@pytest.fixture(autouse=True)
def offline(django_db_blocker):
    """No database is asked: the connection leads nowhere, and is as before afterwards."""
    kept = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = 1
    migration_locks.stay_offline()
    with django_db_blocker.unblock():
        yield
    connection.settings_dict["PORT"] = kept
    connection.ops.__dict__.pop("compose_sql")
    connection.__dict__.pop("pg_version")


def add(field):
    return migrations.AddField("effect", "extra", field)


def alter(name, field):
    return migrations.AlterField("effect", name, field)


def rules(tmp_path, *operations, atomic=True, source=""):
    """Give the rules that a migration of these operations breaks, on a table that is there."""
    migration = migrations.Migration("0002_of_somebody", "effects")
    migration.dependencies, migration.operations, migration.atomic = (
        [("effects", "0001_initial")],
        operations,
        atomic,
    )
    path = tmp_path / "0002_of_somebody.py"
    path.write_text(source)
    found = migration_locks.find_problems([migration_locks.write_script(migration, path)])
    return sorted({each.rpartition(" (")[2].partition(")")[0] for each in found})


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        (add(models.UUIDField(db_default=RandomUUID())), "adding-field-with-default"),
        (add(models.IntegerField(default=3)), "ban-drop-default"),
        (add(models.UUIDField(default=uuid.uuid4)), "ban-drop-default"),
        (add(models.IntegerField(unique=True, null=True)), "disallowed-unique-constraint"),
        (add(models.IntegerField(db_index=True, null=True)), "require-concurrent-index-creation"),
        (alter("pid", models.TextField()), "changing-column-type"),
        (alter("pid", models.BigIntegerField(db_index=True)), "require-concurrent-index-creation"),
        (alter("what", models.CharField(max_length=5)), "changing-column-type"),
        (alter("what", models.CharField(max_length=50, unique=True)), "disallowed-unique-constraint"),
        (
            add(models.ForeignKey("effects.effect", models.CASCADE, null=True)),
            "require-concurrent-index-creation",
        ),
        (
            add(models.ForeignKey("effects.effect", models.CASCADE, db_default=1)),
            "adding-foreign-key-constraint",
        ),
        (migrations.AddIndex("effect", INDEX), "require-concurrent-index-creation"),
        (migrations.AddConstraint("effect", POSITIVE), "constraint-missing-not-valid"),
        (migrations.RemoveField("effect", "pid"), "ban-drop-column"),
        (migrations.RenameField("effect", "pid", "process"), "renaming-column"),
        (migrations.RenameModel("Effect", "Outcome"), "renaming-table"),
        (migrations.DeleteModel("Effect"), "ban-drop-table"),
        (migrations.RunSQL("CREATE INDEX x ON effects_effect (pid)"), "require-concurrent-index-creation"),
        (
            migrations.RunSQL("ALTER TABLE effects_effect ALTER pid SET NOT NULL"),
            "adding-not-nullable-field",
        ),
    ],
)
def test_what_locks_a_table_or_breaks_old_code_is_refused(tmp_path, operation, rule):
    assert rule in rules(tmp_path, operation)


@pytest.mark.parametrize(
    "operation",
    [
        add(models.IntegerField(null=True)),
        add(models.IntegerField(null=True, default=3)),
        add(models.IntegerField(db_default=3)),
        add(models.DateTimeField(db_default=Now())),
        add(models.ForeignKey("effects.effect", models.CASCADE, null=True, db_index=False)),
        add(models.ManyToManyField("effects.effect")),
        alter("what", models.CharField(max_length=500)),
        alter("what", models.CharField(max_length=20, null=True)),
        AddConstraintNotValid("effect", POSITIVE),
        migrations.RunPython(migrations.RunPython.noop),
        HStoreExtension(),
        migrations.CreateModel(
            "New",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=9, unique=True)),
            ],
            options={"indexes": [models.Index(fields=["name"], name="by_name", condition=Q(name="x"))]},
        ),
    ],
)
def test_what_harms_nobody_passes(tmp_path, operation):
    assert rules(tmp_path, operation) == []


@pytest.mark.parametrize("operation", [AddIndexConcurrently("effect", INDEX), BuildIndex("effect", INDEX)])
def test_an_index_that_is_built_beside_traffic_passes(tmp_path, operation):
    assert rules(tmp_path, operation, atomic=False) == []


def test_steps_that_belong_together_pass(tmp_path):
    """Each step by itself; in one transaction the lock of the first would last until the end of the second."""
    index = AddIndexConcurrently("effect", INDEX), RemoveIndexConcurrently("effect", "by_pid")
    constraint = AddConstraintNotValid("effect", POSITIVE), ValidateConstraint("effect", "positive")

    assert rules(tmp_path, *index, atomic=False) == []
    assert rules(tmp_path, *constraint, atomic=False) == []
    assert rules(tmp_path, *constraint) == ["constraint-missing-not-valid"]


def test_what_is_accepted_with_a_reason_passes(tmp_path):
    """By its rule; the others hold, and without a reason it does, too."""
    operations = migrations.AddIndex("effect", INDEX), migrations.RemoveField("effect", "what")
    accepted = "# accepts require-concurrent-index-creation:"

    assert rules(tmp_path, *operations, source=f"{accepted} ten rows") == ["ban-drop-column"]
    assert len(rules(tmp_path, *operations, source=accepted)) == 2


def test_what_asks_the_database_is_not_passed_over(tmp_path):
    """It is refused until somebody has looked at it."""

    class Strange(migrations.RunSQL):
        def database_forwards(self, app_label, schema_editor, from_state, to_state):
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("SELECT 1")

    assert rules(tmp_path, Strange("")) == ["unchecked"]


def test_the_check_says_where_and_what_would_be_right(monkeypatch, capsys, tmp_path):
    """A line for each problem, and how to accept one."""
    script = migration_locks.Script(CHECKOUT / "src/offbeat/jobs/migrations/0001_initial.py", is_atomic=True)
    script.add("AddIndex", ["CREATE INDEX by_name ON shop_customer (name);"])
    monkeypatch.setattr(migration_locks, "own_migrations", lambda: [None])
    monkeypatch.setattr(migration_locks, "path_of", lambda _: None)
    monkeypatch.setattr(migration_locks, "write_script", lambda *_: script)

    code = migration_locks.report()

    first, hint = capsys.readouterr().out.splitlines()
    assert code == 1
    assert first.startswith(
        "src/offbeat/jobs/migrations/0001_initial.py: AddIndex: During normal index creation"
    )
    assert (
        "(require-concurrent-index-creation) Right: BuildIndex of offbeat.database.index_operations" in first
    )
    assert "# accepts RULE: why" in hint


def test_the_core_is_looked_at_where_it_is_made():
    """In a fork it is not: a team cannot change it."""
    paths = [migration_locks.path_of(each) for each in migration_locks.own_migrations()]

    assert any("offbeat/jobs/migrations" in str(path) for path in paths) is not IS_FORK
