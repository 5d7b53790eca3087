"""The image's command: a script of sh that starts the process that PROCESS names: `python src/offbeat/deployment/process.py`.

It is made once, when the image is built, so that no start has to read platform.yaml for it. sh replaces itself with the program,
which then is process 1 and gets the signals. docs/offbeat/containers.md#one-image-that-chooses says what PROCESS may be.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Started as a file, Python would look for modules beside it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from offbeat.deployment import spec
from offbeat.deployment.exporters.stand_in import COMMAND as CRON
from offbeat.deployment.exporters.wakeups import TICK
from offbeat.deployment.kinds import nearest
from offbeat.variables.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.spec import Platform, Service

VARIABLE = "PROCESS"
DEFAULT = "web"
"""What runs where nobody says anything, as ever."""

# Fails on any answer but 200, on a redirect, and on none. http.client asks no proxy that the environment names.
ASK = """
import http.client, os, sys
port = os.environ.get("PORT", "").strip().strip('"' "'").strip()
web = http.client.HTTPConnection("127.0.0.1", int(port or sys.argv[2]), timeout=4)
web.request("GET", sys.argv[1])
sys.exit(web.getresponse().status != 200)
"""

SCRIPT = """\
#!/bin/sh
# Made from platform.yaml by src/offbeat/deployment/process.py when the image is built: change platform.yaml, not this file.
cd {root} || exit

# What dashboards and `docker run --env-file` add around a value: blanks, and quotes.
process=${{{variable}-}}
while :; do
  case $process in
    [[:space:]]*) process=${{process#?}} ;;
    *[[:space:]]) process=${{process%?}} ;;
    \\"*\\" | \\'*\\') process=${{process#?}} process=${{process%?}} ;;
    *) break ;;
  esac
done

# `process.sh health`: whether that process is well. What ends by itself is.
if [ "${{1-}}" = health ]; then
  case $process in
{health}
  esac
  exit 0
fi
{release}
case $process in
{starts}
esac
exec {python} {module} {variable} "$process"
"""

# sh waits for the release, as process 1: a signal is passed on as SIGTERM, for what runs in the background ignores SIGINT.
# A signal ends the wait and not the release, so it is waited for again; 127 says that its code was known already.
RELEASE = """
release() {{
  child='' signalled='' stopped=''
  trap 'signalled=1 stopped=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' HUP INT QUIT TERM
  {command} &
  child=$!
  [ -z "$stopped" ] || kill -TERM "$child" 2>/dev/null
  wait "$child"
  code=$?
  while [ "$signalled" ]; do
    signalled=''
    wait "$child"
    again=$?
    [ "$again" = 127 ] || code=$again
  done
  [ "$code" = 0 ] || exit "$code"
  [ -z "$stopped" ] || exit 143
}}
"""


def make_script(platform: Platform, root: Path = spec.PLATFORM_FILE.parent) -> str:
    """Write the script, for the processes of a platform.yaml whose commands run in `root`."""
    return SCRIPT.format(
        root=shlex.quote(str(root)),
        variable=VARIABLE,
        health="\n".join(_health(platform)),
        release=RELEASE.format(command=_quoted(platform.release)) if platform.release else "",
        starts="\n".join(_starts(platform)),
        python=shlex.quote(sys.executable),
        module=shlex.quote(str(Path(__file__).resolve())),
    )


def find_commands(platform: Platform) -> dict[str, str]:
    """Give the command of each process, by what PROCESS calls it. No two have one name: platform.yaml refuses that."""
    return (
        {service.name: service.command for service in platform.services}
        | ({"release": platform.release} if platform.release else {})
        | {"tick": TICK, "cron": CRON}
        | {cronjob.name: cronjob.command for cronjob in platform.cronjobs}
    )


def find_names(platform: Platform) -> list[str]:
    """Give all that PROCESS may be."""
    return [*find_commands(platform), *(_after_release(each) for each in _released(platform))]


def explain(platform: Platform, found: str) -> str:
    """Say why PROCESS cannot be what was found, and what it can be."""
    names = find_names(platform)
    if not found:
        return f"{VARIABLE} is not set, and platform.yaml has no service {DEFAULT}. Hint: use one of {', '.join(names)}"
    near = nearest(found.lower(), names)
    return f'Unexpected value {VARIABLE}="{shown(found)}"{near}: use one of {", ".join(names)}'


def _starts(platform: Platform) -> Iterator[str]:
    for name, command in find_commands(platform).items():
        yield f"  {_pattern(name)}) exec {_quoted(command)} ;;"
    for service in _released(platform):
        yield f"  {_after_release(service)}) release && exec {_quoted(service.command)} ;;"


def _health(platform: Platform) -> Iterator[str]:
    for service in platform.services:
        if check := _check(service):
            yield f"    {_pattern(service.name)} | {_after_release(service)}) exec {shlex.join(check)} ;;"


def _check(service: Service) -> list[str]:
    if service.port and service.health:
        return ["python", "-c", ASK, service.health, str(service.port)]
    return shlex.split(service.health or "")


def _pattern(name: str) -> str:
    # In quotes, as `esac` would end the list.
    return f"'' | {name}" if name == DEFAULT else f"'{name}'"


def _released(platform: Platform) -> tuple[Service, ...]:
    return platform.services if platform.release else ()


def _after_release(service: Service) -> str:
    return f"release+{service.name}"


def _quoted(command: str | None) -> str:
    return shlex.join(shlex.split(command or ""))


def main(arguments: list[str]) -> tuple[str, int]:
    """Give the script; or, to the script itself, what is wrong with a value of PROCESS that it does not know."""
    try:
        platform = spec.read()
    except spec.PlatformError as error:
        return f"{error}\n", os.EX_CONFIG
    if arguments[:1] == [VARIABLE]:
        return f"Error: {explain(platform, arguments[-1])}\n", os.EX_USAGE
    if arguments:
        return (
            f"Unexpected arguments {' '.join(arguments)}: it has no arguments, and prints the image's command\n",
            os.EX_USAGE,
        )
    return make_script(platform), os.EX_OK


if __name__ == "__main__":
    text, code = main(sys.argv[1:])
    (sys.stderr if code else sys.stdout).buffer.write(text.encode())
    sys.exit(code)
