"""The image's command: sh starts what PROCESS names, with stubs in place of the programs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from offbeat.deployment import process, spec
from tests.offbeat.deployment.golden.variants import CASES
from tests.offbeat.support.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from offbeat.deployment.spec import Platform

SHIPPED = spec.read()
ROOT = {"OFFBEAT_ROOT": str(spec.PLATFORM_FILE.parent)}
ODD = "python manage.py enqueue --name \"it's 100% #1, $5, `id` * \\\\d ~\" 'a\"b' '' ' two  blanks ' -- --x"

# Tells its arguments one a line, and what the file "ends" beside it says of itself: its exit code, or that it waits.
STUB = """\
#!/bin/sh
printf '%s\\n' "$$" "${0##*/}" "$@" '' >>"$LOG"
case "$*" in
  *release*)
    case $RELEASE in
      waits) exec sleep 60 ;;
      takes-its-time) trap 'sleep 0.2; exit 0' TERM; echo ready >>"$LOG"; while :; do sleep 0.05; done ;;
      cleans-up) trap 'exit 9' TERM; echo ready >>"$LOG"; while :; do sleep 0.05; done ;;
      *) exit "$RELEASE" ;;
    esac ;;
esac
exit "$CODE"
"""


class Image:
    """A folder with the script of a platform.yaml, as an image has it, and stubs of all its programs."""

    def __init__(self, folder: Path, platform: Platform) -> None:
        self.script, self.log, self.said = folder / "process.sh", folder / "log", folder / "said"
        self.script.write_text(process.make_script(platform, folder))
        for command in process.find_commands(platform).values():
            stub = folder / shlex.split(command)[0]
            stub.write_text(STUB)
            stub.chmod(0o755)
        self.path = f"{folder}:{os.environ['PATH']}"

    def start(self, named: str | None, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        self.log.write_text("")
        known = {"PATH": self.path, "LOG": str(self.log), "RELEASE": "0", "CODE": "0"} | ROOT | variables
        with self.said.open("w") as said:
            return subprocess.Popen(
                ["sh", str(self.script), *arguments],
                cwd="/", env=known if named is None else known | {"PROCESS": named}, stderr=said,
            )  # fmt: skip

    def run(self, named: str | None, *arguments: str, **variables: str) -> tuple[int, str]:
        """Start it, and give its exit code and what it says when it ends."""
        code = self.start(named, *arguments, **variables).wait(60)
        return code, self.said.read_text()

    @property
    def ran(self) -> list[list[str]]:
        """Give the command lines that were started, in their order."""
        text = self.log.read_text().removesuffix("\n\n")
        return [
            [name, *words] for _, name, *words in (each.split("\n") for each in text.split("\n\n") if each)
        ]


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Platform], Image]:
    return lambda platform: Image(tmp_path, platform)


@pytest.fixture
def image(make: Callable[[Platform], Image]) -> Image:
    return make(SHIPPED)


def command_of(platform: Platform, name: str) -> list[str]:
    return shlex.split(platform.service(name).command)


@pytest.mark.parametrize("case", CASES)
def test_each_process_gets_its_arguments(case: str, make: Callable[[Platform], Image]) -> None:
    """Every service and cronjob, the release, the tick and the stand-in of cron run with exactly their words."""
    platform = CASES[case]
    image = make(platform)

    for name, command in process.find_commands(platform).items():
        assert image.run(name) == (0, "")
        assert image.ran == [shlex.split(command)], name


def test_nasty_arguments_arrive(make: Callable[[Platform], Image]) -> None:
    """Quotes, blanks, an empty word, and what a shell would read as its own."""
    cronjob = replace(SHIPPED.cronjobs[0], name="odd", command=ODD)
    image = make(replace(SHIPPED, cronjobs=(cronjob,)))

    assert image.run("odd") == (0, "")

    words = ["--name", "it's 100% #1, $5, `id` * \\d ~", 'a"b', "", " two  blanks ", "--", "--x"]
    (ran,) = image.log.read_text().split("\n", 1)[1:]
    assert ran == "\n".join(["python", "manage.py", "enqueue", *words, "", ""])


@pytest.mark.parametrize("named", [None, "", "  ", "web", " web\n", '"web"', "'web' ", "\t' web '"])
def test_web_is_the_default(image: Image, named: str | None) -> None:
    """Nothing, and what dashboards and files of variables add around a value, is no mistake."""
    assert image.run(named) == (0, "")
    assert image.ran == [command_of(SHIPPED, "web")]


@pytest.mark.parametrize("name", ["esac", "case", "release2", "process"])
def test_names_that_mean_something_to_sh(make: Callable[[Platform], Image], name: str) -> None:
    """They are names like any other."""
    image = make(replace(SHIPPED, services=(*SHIPPED.services, replace(SHIPPED.services[1], name=name))))

    assert [image.run(each)[0] for each in (name, f"release+{name}", "web")] == [0, 0, 0]
    assert image.run(name, "health") == (0, "")


def test_the_program_takes_the_place_of_the_shell(image: Image) -> None:
    """It has its process id, so its signals; and its exit code is that of the container."""
    started = image.start("prune-jobs", CODE="75")
    started.wait(60)

    assert image.log.read_text().split("\n")[0] == str(started.pid)
    assert started.returncode == 75


@pytest.mark.parametrize("named", ["release + web", "$(touch pwned)", "'"])
def test_names_that_nobody_has(image: Image, named: str) -> None:
    """64 and one line that says what was found; nothing is started."""
    code, said = image.run(named)

    assert code == os.EX_USAGE
    assert said == f"Error: {process.explain(SHIPPED, named)}\n"
    assert image.ran == []


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("wroker", 'Unexpected value PROCESS="wroker" (did you mean worker?): use one of web, worker, release, tick, cron, '),
        ("Worker", " (did you mean worker?): "),
        ("release+wroker", " (did you mean release+worker?): "),
        ("release + web", " (did you mean release+web?): "),
        ("release+release+web", " (did you mean release+web?): "),
        ("python manage.py worker", ", release+web, release+worker"),
    ],
)  # fmt: skip
def test_the_nearest_name(named: str, told: str) -> None:
    """The error says what it may have meant, and all that it may be."""
    assert told in process.explain(SHIPPED, named)


def test_no_web(make: Callable[[Platform], Image]) -> None:
    """Where platform.yaml has no service `web`, one has to be named."""
    platform = replace(SHIPPED, services=SHIPPED.services[1:])
    image = make(platform)
    assert image.run("worker") == (0, "")

    # The one that says so reads platform.yaml itself.
    assert process.explain(platform, "").startswith(
        "PROCESS is not set, and platform.yaml has no service web. Hint: use one of worker, release, "
    )
    assert image.run(None)[0] == os.EX_USAGE
    assert image.ran == []


def test_no_release(make: Callable[[Platform], Image]) -> None:
    """Without a release command there is none to name."""
    image = make(replace(SHIPPED, release=None))

    assert image.run("release")[0] == os.EX_USAGE
    assert image.run("release+web")[0] == os.EX_USAGE
    assert image.run("web") == (0, "")


@pytest.mark.parametrize("name", ["web", "worker"])
def test_release_first(image: Image, name: str) -> None:
    """The release runs to its end, then the service in the shell's place, whose exit code counts."""
    started = image.start(f"release+{name}", CODE="3")
    started.wait(60)

    assert image.ran == [["python", "manage.py", "release"], command_of(SHIPPED, name)]
    assert image.log.read_text().split("\n\n")[1].split("\n")[0] == str(started.pid)
    assert started.returncode == 3


@pytest.mark.parametrize("code", [1, 69, 75, 78, 127])
def test_release_fails(image: Image, code: int) -> None:
    """Its exit code is that of the container, and no service starts."""
    assert image.run("release+web", RELEASE=str(code)) == (code, "")
    assert image.ran == [["python", "manage.py", "release"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
@pytest.mark.parametrize(
    ("release", "code"), [("waits", 143), ("cleans-up", 9), ("takes-its-time", 143)], ids=str
)
def test_stopped_during_release(image: Image, number: int, release: str, code: int) -> None:
    """A signal reaches the release as SIGTERM and is waited for; no service starts, even after a release that succeeds."""
    started = image.start("release+web", RELEASE=release)
    wait_until(lambda: ("release" if release == "waits" else "ready") in image.log.read_text())

    started.send_signal(number)

    assert started.wait(30) == code
    assert command_of(SHIPPED, "web")[1] not in image.log.read_text()


def test_health_of_what_ends_by_itself(image: Image) -> None:
    """Release, tick and cronjobs are well: nobody asks them anything."""
    for name in ("release", "tick", "cron", "prune-jobs"):
        assert image.run(name, "health") == (0, "")
    assert image.ran == []


@pytest.mark.parametrize("form", ["{}", '"{}"', " '{}' "])
def test_health_of_web(image: Image, form: str) -> None:
    """It asks at the port that web reads, which may come with quotes and blanks around."""

    class Web(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

    (image.script.parent / "python").unlink()
    with HTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code, said = image.run(None, "health", PORT=form.format(server.server_port))
        server.shutdown()

    assert (code, said) == (0, "")


@pytest.mark.parametrize("named", ["worker", "release+worker", " worker "])
def test_health_of_a_worker(make: Callable[[Platform], Image], named: str) -> None:
    """Its `health` of platform.yaml, word by word; and its exit code."""
    image = make(next(CASES[each] for each in CASES if each.startswith("v4")))

    assert image.run(named, "health", CODE="1") == (1, "")
    assert image.ran == [["python", "src/offbeat/jobs/probe.py", "--x", "a b"]]


def test_health_without_one(make: Callable[[Platform], Image]) -> None:
    """A service that platform.yaml gives no `health` passes."""
    image = make(replace(SHIPPED, services=tuple(replace(each, health=None) for each in SHIPPED.services)))

    assert image.run(None, "health") == (0, "")
    assert image.run("worker", "health") == (0, "")
    assert image.ran == []


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the module as the Dockerfile does."""
    return subprocess.run(
        [sys.executable, process.__file__, *arguments],
        env={"PATH": os.environ["PATH"]} | ROOT | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_is_written_without_settings() -> None:
    """At build there are no variables, and no locale."""
    written = program(LC_ALL="C")

    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == process.make_script(SHIPPED)


def test_a_wrong_file_ends_the_build(tmp_path: Path) -> None:
    """What is wrong in platform.yaml is said where the image is built."""
    (tmp_path / "platform.yaml").write_text("name: shop\nservices: []\nsurplus: 1\n")

    written = program(OFFBEAT_ROOT=str(tmp_path))

    assert (written.returncode, written.stdout) == (os.EX_CONFIG, "")
    assert "platform.yaml: surplus" in written.stderr


def test_arguments_that_it_does_not_take() -> None:
    """They are refused."""
    assert program("--help").returncode == os.EX_USAGE
