"""`./run bench NAME`: runs one of the benchmarks; without a name it lists them."""

import ast
import os
import re
import runpy
import signal
import sys
import time
from pathlib import Path

NAMES = (
    "jobs",
    "distance",
    "day",
    "ledger",
    "peers",
    "digest",
    "api",
    "pools",
    "hosts",
    "cron",
    "ops",
    "connections",
    "web",
    "loop",
    "conformance",
)
# Minutes on a quiet machine with 2 CPUs, about; those of a benchmark that is not here are not known.
MINUTES = {
    "jobs": 12,
    "distance": 8,
    "day": 60,
    "peers": 12,
    "ledger": 30,
    "digest": 5,
    "api": 2,
    "pools": 2,
    "hosts": 5,
    "cron": 5,
    "ops": 5,
    "connections": 2,
    "web": 3,
    "loop": 2,
    "conformance": 10,
}
NEEDS_NO_QUIET = ("conformance",)
TAKE_A_SIZE = ("day", "ledger", "digest")
READ_THEIR_OWN = ("peers", "conformance")  # arguments
CHECKOUT = Path(__file__).resolve().parent.parent


def listing():
    lines = [f"  {name:12} {minutes(name):16}  {first_sentence(name)}\n" for name in NAMES]
    return f"./run bench NAME measures one of these. A bench that needs a quiet machine says how busy it is.\n{''.join(lines)}"


def minutes(name):
    return f"about {MINUTES[name]} minutes" if name in MINUTES else ""


def first_sentence(name):
    """Return what the module says of itself, without the command that runs it."""
    folder = CHECKOUT / "bench"
    path = folder / f"{name}.py" if (folder / f"{name}.py").exists() else folder / name / "__main__.py"
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = re.sub(rf"^`./run bench {name}[^`]*`: ", "", text.partition("\n")[0])
    return sentence[:1].upper() + sentence[1:]


def refusal(name, arguments):
    """Return what is wrong with the arguments, "" for nothing: a typing error should not cost the minutes of a bench."""
    if name in READ_THEIR_OWN or not arguments:
        return ""
    if name not in TAKE_A_SIZE:
        return f'./run bench {name} takes no arguments, got "{" ".join(arguments)}".'
    is_size = len(arguments) == 1 and re.fullmatch("[1-9][0-9]*", arguments[0])
    return "" if is_size else f'./run bench {name} takes a size, such as 10000, got "{" ".join(arguments)}".'


def run(name):
    if name not in NEEDS_NO_QUIET:
        say(f"The load of this machine is {os.getloadavg()[0]:.1f}; near 0, the figures are to be trusted.")
    os.environ["PYTHONPATH"] = f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"
    begun = time.monotonic()
    try:
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        say(f"That took {(time.monotonic() - begun) / 60:.1f} minutes.")


def say(text):
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    asked = sys.argv[1:2]
    if asked in ([], ["--help"], ["-h"]):
        sys.stdout.write(listing())
    elif asked[0] not in NAMES:
        sys.stderr.write(f'./run bench has no "{asked[0]}".\n{listing()}')
        sys.exit(os.EX_USAGE)
    elif problem := refusal(asked[0], sys.argv[2:]):
        sys.stderr.write(f"{problem}\n  {asked[0]}  {minutes(asked[0])}  {first_sentence(asked[0])}\n")
        sys.exit(os.EX_USAGE)
    else:
        run(sys.argv.pop(1))
