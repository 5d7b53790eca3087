"""Which tests `./run test` runs, and what it makes of their exit codes."""

import sys
import threading

import pytest

from offbeat.dev import project_tests
from offbeat.dev.project_tests import CORE, OF_THE_PROJECT, TESTS, FinishedSession, Session, main, sessions

PROJECT = [str(TESTS)]


@pytest.fixture
def fork(monkeypatch):
    monkeypatch.setattr(project_tests, "IS_FORK", True)


@pytest.fixture
def upstream(monkeypatch):
    monkeypatch.setattr(project_tests, "IS_FORK", False)


def names(*arguments):
    return [session.name for session in sessions(arguments)]


def test_upstream_everything_runs(upstream):
    """The storm alone, then faults with other brokers and pools beside the rest of the core and the project's."""
    assert names() == ["storm", "axes", "core", "project"]


def test_the_storm_is_found_where_it_is(upstream):
    """Its session collects one folder and not all of the core's tests: no test with its mark is elsewhere."""
    marked = [
        path for path in CORE.rglob("test_*.py") if "mark.storm" in path.read_text().partition("def ")[0]
    ]
    folder, *options = sessions([])[0].arguments

    assert options == ["-m", "storm"]
    assert marked
    assert [path for path in marked if not path.is_relative_to(folder)] == []


def test_quick_is_quick_for_both(upstream):
    """The loop between two edits has neither the storm nor the axes, and runs tests side by side."""
    assert sessions(["--quick"]) == [
        Session("core", [str(CORE), "--quick", *project_tests.TWO_AT_A_TIME]),
        Session("project", [*PROJECT, "--quick", *project_tests.TWO_AT_A_TIME]),
    ]


def test_a_fork_runs_its_own(fork):
    """Its own tests and the smoke test of the core, side by side."""
    (session,) = sessions([])

    assert session.arguments == [*PROJECT, *project_tests.SIDE_BY_SIDE]


def test_a_fork_runs_the_core_when_asked(fork):
    """--core runs the core's suite, and nothing else."""
    assert names("--core") == ["storm", "axes", "core"]


@pytest.fixture
def pretend(monkeypatch):
    """Runs no session, but calls a function with its name, which gives its exit code."""

    def pretend(code_of):
        def run(session):
            return FinishedSession(session.name, code_of(session.name), 0)

        monkeypatch.setattr(project_tests, "run", run)
        monkeypatch.setattr(project_tests, "run_quietly", run)
        monkeypatch.setattr(project_tests, "raise_when_asked_to_stop", lambda: None)

    return pretend


def test_nothing_runs_beside_the_storm(upstream, pretend):
    """It needs every CPU. After it the axes, and then the project's tests, run beside the core's."""
    begun, axes_may_end = [], threading.Event()

    def begin(name):
        begun.append(name)
        if name == "core":
            axes_may_end.set()
        return 0 if name != "axes" or axes_may_end.wait(60) else 1

    pretend(begin)

    assert main([]) == 0
    assert begun[0] == "storm"
    assert set(begun[1:3]) == {"axes", "core"}
    assert begun[3] == "project"


def test_ctrl_c_is_no_reason_to_begin_another(upstream, pretend, capsys):
    """What has not begun beside the rest is reported as not run."""
    pretend({"storm": 0, "core": 2, "axes": 130, "project": 0}.get)

    assert main([]) == 2
    assert "project  not run (0 s)\n" in capsys.readouterr().out


def test_ctrl_c_ends_sessions_in_turn(upstream, pretend, capsys):
    """`./run test --quick` runs one after the other: what has not begun starts no servers after Ctrl-C."""
    begun = []
    pretend(lambda name: begun.append(name) or 2)

    assert main(["--quick"]) == 2
    assert begun == ["core"]
    assert "project  not run (0 s)\n" in capsys.readouterr().out


def test_what_ran_beside_is_shown_after_the_rest(upstream, monkeypatch, capfd):
    """A line of each session would be between two of another's."""
    says = {"storm": "a", "axes": "b", "core": "c", "project": "d"}
    monkeypatch.setattr(
        project_tests,
        "command_of",
        lambda session: [sys.executable, "-c", f"import os; os.write(1, b'{says[session.name]}')"],
    )
    monkeypatch.setattr(project_tests, "raise_when_asked_to_stop", lambda: None)

    assert main([]) == 0
    assert capfd.readouterr().out.startswith("acbdstorm")


def test_options_go_to_every_session(upstream):
    """A choice by name is looked for in the core and in the project, one test at a time."""
    assert sessions(["-k", "prune", "-x"]) == [
        Session("core", [str(CORE), "-k", "prune", "-x"]),
        Session("project", [*PROJECT, "-k", "prune", "-x"]),
    ]


def test_no_test_at_all_is_told(fork, pretend, capsys):
    """A new fork has no quick test yet: what pytest's exit code means is said, and how to get a test."""
    pretend(lambda _: 5)

    assert main(["--quick"]) == 5
    assert "No test was selected. Hint: " in capsys.readouterr().err


@pytest.mark.usefixtures("fork")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (CORE / "jobs", "core"),
        (f"{CORE / 'dev' / 'test_run.py'}::test_it_works_from_any_folder", "core"),
        (OF_THE_PROJECT / "test_smoke.py", "project"),
        (TESTS, "project"),
    ],
)
def test_a_path_decides_whose_settings_it_needs(path, name):
    """In a fork, too, a path that is named is run."""
    assert sessions([str(path), "-x"]) == [Session(name, [str(path), "-x"])]


@pytest.mark.usefixtures("upstream")
@pytest.mark.parametrize(
    ("codes", "result"),
    [([0] * 4, 0), ([0, 5, 5, 0], 0), ([5] * 4, 5), ([0, 1, 0, 0], 1), ([0, 1, 0, 2], 1)],
)
def test_the_exit_code_is_the_first_that_failed(pretend, capsys, codes, result):
    """A session without a test of that name is no failure, unless all are; each is told in a line."""
    pretend(dict(zip(("storm", "core", "axes", "project"), codes, strict=True)).get)

    assert main([]) == result
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "storm",
        "core",
        "axes",
        "project",
    ]
