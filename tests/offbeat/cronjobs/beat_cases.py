"""Random tasks and entries, each compared with what Celery's own Beat sends: run by a test, in a process of its own.

Tasks that are made here stay in Celery's registry, where no other test wants them.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import django

django.setup()

from celery.beat import ScheduleEntry, Scheduler  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as some  # noqa: E402
from kombu.utils.json import dumps, loads  # noqa: E402

from offbeat.cronjobs.beat.entries import found_in  # noqa: E402
from offbeat.cronjobs.beat.names import Names  # noqa: E402
from offbeat.cronjobs.beat.replacement import plan  # noqa: E402
from offbeat.cronjobs.entries import as_call  # noqa: E402
from tests.offbeat.sample_project import celery_app as app  # noqa: E402

NUMBERS = itertools.count()
FOLDER = Path(sys.argv[2])  # for the written commands
NAMES = ("a", "b", "slot", "options", "task", "kwargs", "args", "help", "name")
JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**6), 10**6)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text("ab\"'\\\n\t\x7f\u2028é😀", max_size=6),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.lists(inner, max_size=3).map(tuple)
        | some.dictionaries(some.text("ab", max_size=2), inner, max_size=3)
        | some.dictionaries(some.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=6,
)
PARAMETERS = some.fixed_dictionaries(
    {
        "positional_only": some.integers(0, 2),
        "usual": some.integers(0, 2),
        "variable": some.booleans(),
        "keyword_only": some.integers(0, 2),
        "defaults": some.lists(some.booleans(), min_size=6, max_size=6),
        "options": some.booleans(),
        "names": some.permutations(NAMES),
        "is_bound": some.booleans(),
        "is_fitting": some.sampled_from([True, True, False]),
        "style": some.sampled_from(["shared_task", "app.task", "class", "nameless class"]),
        "name": some.sampled_from(["", "custom", "with-hyphen", "some.other.place"]),
    }
)


def fitting(task, args, kwargs):
    """Return arguments that a task takes, made of these."""
    function, taken = inspect.signature(task.run), set()
    args, rest = iter(args), []
    for name, parameter in function.parameters.items():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            value = next(args, parameter.default)
            if value is parameter.default and value is not parameter.empty:
                break
            rest.append(None if value is parameter.empty else value)
            taken.add(name)
    kinds = {parameter.kind for parameter in function.parameters.values()}
    rest += list(args) if inspect.Parameter.VAR_POSITIONAL in kinds else []
    named = kwargs if inspect.Parameter.VAR_KEYWORD in kinds else {}
    needed = {
        name: kwargs.get(name)
        for name, parameter in function.parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
        and (parameter.default is parameter.empty or name in kwargs)
    }
    return rest, {name: value for name, value in (named | needed).items() if name not in taken}


def source_of(case, number):
    """Write a module with one task of this signature, which returns what its parameters are bound to."""
    names, is_optional = iter(case["names"]), iter(case["defaults"])
    is_method = "class" in case["style"] or case["is_bound"]
    parts, had_default = [], False
    positional = case["positional_only"] + case["usual"]
    for index in range(positional):
        had_default = had_default or next(is_optional)
        parts.append(next(names) + ("='default'" if had_default else ""))
        if index == case["positional_only"] - 1:
            parts.append("/")
    rest = []
    if case["variable"]:
        rest.append("*" + next(names))
    elif case["keyword_only"]:
        rest.append("*")
    rest += [next(names) + ("='default'" if next(is_optional) else "") for _ in range(case["keyword_only"])]
    if case["options"]:
        rest.append("**" + next(names))
    parameters = ", ".join([*(["self"] if is_method else []), *parts, *rest])
    body = (
        "    found = dict(locals())\n"
        + ("    found.pop('self')\n" if is_method else "")
        + "    return found\n"
    )
    name = f"{case['name']}.{number}" if case["name"] else ""
    if "class" in case["style"]:
        body = "".join(f"    {line}\n" for line in body.splitlines())
        own = f"    name = {name!r}\n" if name else ""
        held = "" if case["style"] == "nameless class" else "work = "
        return (
            f"class Work(app.Task):\n{own}    def run({parameters}):\n{body}{held}app.register_task(Work())\n"
        )
    options = ", ".join([*([f"name={name!r}"] if name else []), *(["bind=True"] if case["is_bound"] else [])])
    return f"@{case['style']}({options})\ndef work({parameters}):\n{body}"


def made(source, number):
    """Run a module's source, and return the name of the task that it has."""
    before = set(app.tasks)
    name = f"tests.offbeat.cronjobs.case_{number}"
    module = ModuleType(name)
    sys.modules[name] = module
    header = "from celery import shared_task\nfrom tests.offbeat.sample_project import celery_app as app\n"
    exec(header + source, vars(module))  # noqa: S102  a random task
    (task,) = set(app.tasks) - before
    return task


def sent_by_beat(name, entry):
    """Return the arguments that Beat's message brings to a task, None where it sends none."""
    sent = []
    app.amqp.send_task_message = lambda *args, **_: sent.append(args[2].body[:2])
    producer = SimpleNamespace(connection=SimpleNamespace(_reraise_as_library_errors=contextlib.nullcontext))
    scheduler = Scheduler(app, lazy=True)
    scheduler.apply_entry(ScheduleEntry(name=name, app=app, **entry), producer=producer)
    return loads(dumps(sent[0])) if sent else None


def bound(task, args, kwargs):
    """Return what a task of ours is bound to, None where the call does not fit."""
    try:
        return app.tasks[task].run(*args, **kwargs)
    except TypeError:
        return None


def by_written_command(replacement):
    """Return the arguments of the job that the written command makes."""
    file = {}
    exec(compile(replacement.source, "command.py", "exec"), file)  # noqa: S102
    args, kwargs = as_call(file["Command"]().arguments(None, {}))
    call = file["Command"].task.using().call(*args, **kwargs)
    call.row()
    return loads(dumps([list(call.args), dict(call.kwargs)]))


@settings(
    max_examples=int(sys.argv[1]), deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(
    PARAMETERS,
    some.lists(JSON, max_size=4),
    some.dictionaries(some.sampled_from(NAMES), JSON, max_size=3),
)
def check(case, args, kwargs):
    """The written command's job has the same binding as Beat's message; what is left, Beat could not run either."""
    number = next(NUMBERS)
    task = made(source_of(case, number), number)
    if case["is_fitting"]:
        args, kwargs = fitting(app.tasks[task], args, kwargs)
    entry = {"task": task, "schedule": 3600, "args": args, "kwargs": kwargs}
    outcome = plan(found_in("here", {f"case {number}": entry}, app), Names({}), Path("/nowhere"))
    beats = sent_by_beat("case", entry)
    expected = bound(task, *beats) if beats else None
    if expected is None and beats and outcome.replacements:  # a call that only the function itself refuses
        assert bound(task, *by_written_command(outcome.replacements[0])) is None
        return
    if expected is None:
        assert not outcome.replacements, (outcome.replacements[0].source, entry)
        assert "its arguments do not fit" in outcome.left[f"case {number}"], outcome.left
        COUNTS["left"] += 1
        return
    assert outcome.replacements, (outcome.left, entry)
    assert bound(task, *by_written_command(outcome.replacements[0])) == expected
    (FOLDER / f"enqueue_{number}.py").write_text(outcome.replacements[0].source)
    COUNTS["written"] += 1


logging.disable()  # Beat logs each call that does not fit, with a traceback
COUNTS = {"written": 0, "left": 0}
check()
sys.stdout.write(f"{COUNTS['written']} written, {COUNTS['left']} left\n")
