"""The house's rules: imports point down only, the core knows nothing of the project, and a word has one meaning."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
from collections import Counter

import pytest

from tests.offbeat.support.running import CHECKOUT

SOURCE = CHECKOUT / "src"
CORE = SOURCE / "offbeat"
# Small parts that all others build on.
GROUND = {part: set() for part in ("database", "redaction", "storage", "variables")}
# What each part of the core may import, beside those and the modules of the core that are in no part.
BELOW = GROUND | {
    "api": {"ops", "cronjobs", "jobs", "deployment", "web"},
    "ops": {"cronjobs", "jobs", "deployment"},
    "cronjobs": {"jobs", "deployment"},
    "jobs": set(),
    "deployment": set(),
    "web": set(),
    "testing": {"cronjobs", "jobs", "deployment"},
    "dev": {"ops", "cronjobs", "jobs", "deployment"},
    "": set(),  # the modules beside the parts
}
# Django looks for these names.
SHARED_CLASSES = {"Command", "Migration"}
# Named by nobody here, but by Django, gunicorn, kombu, billiard, PyYAML, or put together: `do_` and the command line's word.
CALLED_FROM_OUTSIDE = (
    r"__\w+__|_restore|_purge|_put|_delete|\w+Config|has_\w+_permission|process_\w+|do_\w+|on_starting|when_ready|post_fork|get_thread_pool|new_file|murder_pending|_do_exit|_maintain_pool|_ensure_messages_consumed|_create_timelimit_handlers"
    r"|on_apply|on_stop|on_terminate|terminate_job|_brpop_read|_brpop_start|_constraint_names|ignore_aliases|get_\w+_hook|get_additional_deps|pytest_\w+|delay_on_commit|get_result|parse_body|discover_master"
)
GERUNDS = {"testing.py", "logging.py"}  # as the field calls them
# Private words, with those of the field.
FORBIDDEN = {
    "keeper": "maintenance thread",
    "assistant": "maintenance thread",
    "duty": "periodic task",
    "duties": "periodic tasks",
    "senses": "worker state",
    "epoch": "loss token",
    "neighbour": "other ledger",
    "neighbours": "other ledgers",
    "offspring": "child processes",
    "trouble": "condition",
    "troubles": "conditions",
    "telling": "notify",
}
# What Linux alone has, and the modules that do without it elsewhere.
LINUX = re.compile(
    r"/proc\b|/sys/|/dev/shm|prctl|sched_\w+affinity|epoll|pidfd|memfd|eventfd|pipe2|sigtimedwait|TCP_(KEEPIDLE|USER)"
)
DO_WITHOUT_LINUX = {
    "container.py",
    "memory_folder.py",
    "delay_proxy.py",
    "hosts_net.py",
    "lane_limits.py",
    "gunicorn.py",
    "child_processes.py",
    "processes.py",
    "warm_python.py",
    "warm_server.py",
}
# Each exception has its reason; remove the line and the test says who still needs it.
EXCEPTIONS = {
    ("celery.py", "jobs"): "the application is put together there",
    **{
        ("settings.py", part): "their variables are known by their Conf"
        for part in ("api", "cronjobs", "ops")
    },
    ("celery_settings.py", "jobs"): "its variables are known by its Conf",
}


@functools.cache
def imports_of(path):
    """Give the dotted names that a module imports, wherever in the module."""
    return [name for node in ast.walk(ast.parse(path.read_text())) for name in imports_of_node(node)]


def imports_of_node(node):
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    return sorted(CORE.rglob("*.py"))


def part_of(path):
    """Give the part of the core that a module is in, "" for one beside the parts."""
    parts = path.relative_to(CORE).parts
    return parts[0] if len(parts) > 1 else ""


def imported_parts():
    """Give (module, part) for each import from one part of the core into another."""
    for path in modules():
        for name in imports_of(path):
            first, *rest = name.split(".")
            if first == "offbeat" and rest[0] in BELOW and rest[0] != part_of(path):
                yield str(path.relative_to(CORE)), rest[0]


def test_every_part_is_known():
    """A new part of the core says where it stands."""
    assert {part_of(path) for path in modules()} == BELOW.keys()


@pytest.mark.parametrize("part", BELOW)
def test_imports_point_down_only(part):
    """No part imports one that stands above it, and nothing imports the developer's stand-ins."""
    found = {(module, other) for module, other in imported_parts() if part_of(CORE / module) == part}

    wrong = {(module, other) for module, other in found if other not in BELOW[part] | GROUND.keys()}

    assert wrong - EXCEPTIONS.keys() == set()


def test_exceptions_are_needed():
    """An exception that nobody uses any more is removed."""
    assert EXCEPTIONS.keys() <= set(imported_parts())


def test_the_core_imports_nothing_of_the_project():
    """Whatever else is in src belongs to the team."""
    teams = {path.stem for path in SOURCE.iterdir()} - {"offbeat"}

    assert {
        (path, name) for path in modules() for name in imports_of(path) if name.split(".")[0] in teams
    } == set()


def test_the_core_takes_any_user_model():
    """Users are the project's: nothing asks for Django's own model of them."""
    assert [path for path in modules() if "django.contrib.auth.models.User" in imports_of(path)] == []


def test_no_module_is_a_drawer():
    """A file is named after the thing in it."""
    names = {path.name for path in modules()}

    assert not names & {"utils.py", "helpers.py", "services.py", "common.py", "misc.py"}


def words_of(name):
    """Split an identifier: known_epoch and KnownEpoch have two words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def names_of(path):
    """Give every name that a module defines: its own, and those of classes, functions, arguments and variables."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def test_each_word_is_the_fields():
    """Where the field has a word, the core has no other."""
    found = {
        (str(path.relative_to(CORE)), name, FORBIDDEN[word])
        for path in modules()
        for name in names_of(path)
        for word in words_of(name) & FORBIDDEN.keys()
    }

    assert found == set()


def test_a_slot_is_a_scheduled_time():
    """Jobs know nothing of cron: a worker's place in the pool has another name."""
    found = {
        path.name for path in (CORE / "jobs").rglob("*.py") if re.search(r"\bslots?\b(?!=)", path.read_text())
    }

    assert found == set()


def test_each_class_has_a_name_of_its_own():
    """Whoever reads a name knows which class it is."""
    found = Counter(
        node.name
        for path in modules()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name not in SHARED_CLASSES
    )

    assert [name for name, times in found.items() if times > 1] == []


def test_nothing_needs_linux():
    """Developers have Macs: what only Linux has is used where there is another way, and nowhere else."""
    places = [
        *modules(),
        *(CHECKOUT / "bench").glob("*.py"),
        *(CHECKOUT / "tests/offbeat/support").glob("*.py"),
    ]
    found = {
        path.name
        for path in places
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant | ast.Attribute | ast.Name) and LINUX.search(ast.unparse(node))
    }

    assert found == DO_WITHOUT_LINUX


def test_modules_are_nouns():
    """No module is named after what it is doing."""
    assert [path for path in modules() if path.stem.endswith("ing") and path.name not in GERUNDS] == []


def test_what_is_frozen_stays_so():
    """A frozen dataclass is a value: what changes is none."""
    assert [path for path in modules() if "object.__setattr__" in path.read_text()] == []


def imported_at_once(tree):
    """Give the nodes that are executed when a module is imported: not those of functions, nor for type checkers only."""
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imported_at_once(ast.Module(node.orelse, []))
        elif isinstance(node, ast.ClassDef | ast.If | ast.Try | ast.With):
            yield from imported_at_once(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def import_graph():
    """Give the modules that each module of the core imports when it is imported itself."""
    names = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }
    graph = {}
    for name, path in names.items():
        imports = imported_at_once(ast.parse(path.read_text()))
        found = {each for node in imports for each in imports_of_node(node)}
        graph[name] = {
            each if each in names else each.rpartition(".")[0] for each in found
        } & names.keys() - {name}
    return graph


def test_no_modules_import_each_other():
    """Each can be read, and imported, before those that are built on it."""
    graphlib.TopologicalSorter(import_graph()).prepare()  # raises CycleError, with the circle


def test_nothing_is_dead():
    """What is named only where it is defined goes; tests do not count, and what projects may call does."""
    texts = [path.read_text() for kind in ("py", "html") for path in CORE.rglob(f"*.{kind}")]
    texts.append((CHECKOUT / "docs/offbeat/api.md").read_text())
    times = Counter(word for text in texts for word in re.findall(r"\w+", text))
    found = {
        (str(path.relative_to(CORE)), node.name)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and times[node.name] == 1
        and not node.decorator_list
    }

    assert {each for each in found if not re.fullmatch(CALLED_FROM_OUTSIDE, each[1])} == set()
