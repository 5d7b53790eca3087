"""Reads the wake-ups back out of printed exports, and says when a platform that knows nothing of us would run them.

It shares no code with the exporters: only the formats, as the platforms read them.
"""

import json
import re
import shlex
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.expander import Rule, moments
from tests.offbeat.deployment.northflank_types import nodes_of

STAND_IN = "python src/offbeat/deployment/cron.py"
TICK = "python manage.py tick"
DAYS = {"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6}


@dataclass(frozen=True)
class PlannedWakeUp:
    """When a command is run: five sets of numbers in a time zone, and how much later than that it may be."""

    command: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: str = "UTC"
    late: int = 0
    """Minutes that the platform may take."""
    repeated: Rule = "not documented"
    """What the scheduler does at a time that the zone's clock repeats."""

    def minutes_of_two_years(self) -> int:
        """Give the minutes, as the expander does, after which a process has been started."""
        sets = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return moments(sets, self.zone, self.repeated)


def field(text: str, low: int, high: int) -> frozenset[int]:
    """Read a field of a portable cron line: numbers, ranges, lists, steps of a star or a range; nothing else."""
    found: set[int] = set()
    for term in text.split(","):
        match = re.fullmatch(r"(\*|\d+(?:-\d+)?)(?:/(\d+))?", term)
        assert match, f"not portable: {text}"
        span, step = match.groups()
        start, _, end = span.partition("-")
        numbers = range(low, high + 1) if span == "*" else range(int(start), int(end or start) + 1)
        assert step is None or span == "*" or end, f"not portable: {text}"
        assert set(numbers) <= set(range(low, high + 1)), f"out of bounds: {text}"
        assert numbers, f"empty: {text}"
        found |= set(numbers[:: int(step or 1)])
    return frozenset(found)


def cron(
    command: str, line: str, zone: str = "UTC", late: int = 0, repeated: Rule = "not documented"
) -> PlannedWakeUp:
    """Read a portable cron line, of which at most one day field is restricted."""
    minute, hour, day, month, weekday = line.split()
    assert "*" in (day, weekday), f"not portable, both day fields are restricted: {line}"
    sets = (
        field(minute, 0, 59),
        field(hour, 0, 23),
        field(day, 1, 31),
        field(month, 1, 12),
        field(weekday, 0, 6),
    )
    return PlannedWakeUp(command, *sets, zone, late, repeated)


def planned_wakeups(target: str, files: dict[str, str]) -> list[PlannedWakeUp] | None:
    """Give what an export makes the platform run; None where a stand-in reads platform.yaml itself."""
    return READERS[target](files)


def _render(files):
    return [
        cron(each["dockerCommand"], each["schedule"])
        for each in _yaml(files["render.yaml"])["services"]
        if each["type"] == "cron"
    ]


def _heroku(files):
    found = []
    table = files["deploy/heroku/scheduler.md"].partition("**Add Job**")[2].partition("\n## ")[0]
    for _, schedule, lateness, command in _rows(table):
        late = int(lateness.split()[0])
        if schedule == "Every 10 minutes":
            found.append(cron(command, "*/10 * * * *", late=late))
        elif schedule.startswith("Every hour"):
            found.append(cron(command, f"{int(schedule[-2:])} * * * *", late=late))
        else:
            found.append(cron(command, f"{int(schedule[-2:])} {int(schedule[-5:-3])} * * *", late=late))
    return found


def _railway(files):
    text = files[".railway/railway.ts"]
    literal = r'("(?:[^"\\]|\\.)*")'
    services = re.findall(rf'"start": {literal},\s*"deploy": \{{\s*"cronSchedule": {literal}', text)
    return [cron(*map(json.loads, each)) for each in services]


def _digitalocean(files):
    jobs = [each for each in _yaml(files[".do/app.yaml"]).get("jobs", []) if each["kind"] == "SCHEDULED"]
    return [
        cron(each["run_command"], each["schedule"]["cron"], each["schedule"]["time_zone"]) for each in jobs
    ]


def _dokku(files):
    return [
        cron(each["command"], each["schedule"])
        for each in json.loads(files["deploy/dokku/app.json"]).get("cron", [])
    ]


def _scalingo(files):
    jobs = json.loads(files.get("cron.json", '{"jobs": []}'))["jobs"]
    assert len(jobs) <= 5
    return [cron(each["command"].split(" ", 5)[5], " ".join(each["command"].split()[:5])) for each in jobs]


def _upsun(files):
    (app,) = _yaml(files[".upsun/config.yaml"])["applications"].values()
    zone = app.get("timezone", "UTC")
    return [cron(each["commands"]["start"], each["spec"], zone) for each in app.get("crons", {}).values()]


def _fly(files):
    assert "cron = " not in files["fly.toml"] or f'cron = "{STAND_IN}"' in files["fly.toml"]


def _compose(files, folder="compose"):
    services = _yaml(files[f"deploy/{folder}/compose.yaml"])["services"]
    assert "cron" not in services or services["cron"]["command"] == STAND_IN


def _kamal(files):
    roles = _yaml(files["config/deploy.yml"])["servers"]
    assert "cron" not in roles or roles["cron"]["cmd"] == STAND_IN


def _cloudrun(files):
    folder = "deploy/cloudrun"
    found = []
    for line in files[f"{folder}/setup.sh"].splitlines():
        if line.startswith("schedule "):
            words = shlex.split(line)
            job = re.search(r"/jobs/[a-z0-9-]+?:run", line)[0]
            name = next(path for path in files if f"/job-{_after(job)}.yaml" in path)
            container = _yaml(files[name])["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
            command = shlex.join([*container["command"], *container["args"]])
            found.append(
                cron(command, words[words.index("--schedule") + 1], words[words.index("--time-zone") + 1])
            )
    return found


def _after(job):
    return job.removeprefix("/jobs/").removesuffix(":run").partition(APP + "-")[2]


def _ecs(files):
    template = _yaml(files["deploy/ecs/services.yaml"])
    schedules = [
        each for each in template["Resources"].values() if each["Type"] == "AWS::Scheduler::Schedule"
    ]
    return [_eventbridge(each["Properties"]) for each in schedules]


def _eventbridge(schedule):
    """Read `cron(...)` of EventBridge Scheduler: six fields, one of the days a `?`, weekdays by name."""
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    line = re.fullmatch(r"cron\((.*)\)", schedule["ScheduleExpression"])[1]
    minute, hour, day, month, weekday, year = line.split()
    assert (year, [day, weekday].count("?")) == ("*", 1), line
    numbers = (_steps(minute, 0, 59), _steps(hour, 0, 23), _steps(day, 1, 31), _steps(month, 1, 12))
    names = DAYS if weekday == "?" else [each.capitalize() for each in weekday.split(",")]
    (override,) = json.loads(schedule["Target"]["Input"])["containerOverrides"]
    command = shlex.join(override["command"])
    weekdays, zone = frozenset(DAYS[each] for each in names), schedule["ScheduleExpressionTimezone"]
    return PlannedWakeUp(command, *numbers, weekdays, zone, repeated="once")


def _steps(text, low, high):
    """Read a field in which `7/15` goes on from 7 to the field's end."""
    if text in ("*", "?"):
        return frozenset(range(low, high + 1))
    if "/" in text:
        start, step = map(int, text.split("/"))
        return frozenset(range(start, high + 1, step))
    return field(text, low, high)


def _azure(files):
    resources = json.loads(files["deploy/azure/apps.json"])["resources"]
    found = []
    for each in resources:
        trigger = each["properties"]["configuration"].get("scheduleTriggerConfig")
        if trigger:
            (container,) = each["properties"]["template"]["containers"]
            words = [*container["command"], *container["args"]]
            # `[[` is one bracket, `$$` one dollar.
            argv = [re.sub(r"^\[(?=\[.*\]$)", "", word, flags=re.DOTALL).replace("$$", "$") for word in words]
            found.append(cron(shlex.join(argv), trigger["cronExpression"]))
    return found


APP = "app"
"""The name of the platform in every spec that is exported to be read back here."""


def _kubernetes(files):
    path = "deploy/kubernetes/cronjobs.yaml"
    specs = [each["spec"] for each in libyaml.every(files.get(path, ""))]
    return [cron(_args(each), each["schedule"], each["timeZone"], repeated="twice") for each in specs]


def _args(spec):
    return shlex.join(spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"])


def _nomad(files):
    jobs = [json.loads(text)["Job"] for path, text in files.items() if "/cron-" in path]
    return [
        cron(shlex.join([config["command"], *config["args"]]), line, job["Periodic"]["TimeZone"])
        for job in jobs
        for config in [job["TaskGroups"][0]["Tasks"][0]["Config"]]
        for line in job["Periodic"]["Specs"]
    ]


def _systemd(files):
    found = []
    for path, text in files.items():
        if path.endswith(".timer"):
            calendar = re.search(r"^OnCalendar=(.*)$", text, re.MULTILINE)[1]
            start = re.search(
                r"^ExecStart=\S+/(.*)$", files[path.replace(".timer", ".service")], re.MULTILINE
            )[1]
            words = shlex.split(start.replace("%%", "%").replace("$$", "$"))
            found.append(_calendar(shlex.join(words), calendar))
    return found


def _calendar(command, text):
    """Read systemd.time(7)'s OnCalendar in the form that we print: [days] *-months-days hours:minutes:00 zone."""
    days, months, monthdays, hours, minutes, zone = re.fullmatch(
        r"(?:([A-Z][A-Za-z,]*) )?\*-(\S+)-(\S+) ([^:]+):([^:]+):00 (\S+)", text
    ).groups()
    weekdays = frozenset(DAYS[each] for each in days.split(",")) if days else frozenset(range(7))
    sets = (_times(minutes, 0, 59), _times(hours, 0, 23), _times(monthdays, 1, 31), _times(months, 1, 12))
    return PlannedWakeUp(command, *sets, weekdays, zone, repeated="once")


def _times(text, low, high):
    """Read a component: `..` is a range. A step needs one: without an end systemd loses the first value now and then."""
    found = set()
    for term in text.split(","):
        start, step = (*term.split("/"), "")[:2]
        begin, dots, end = start.partition("..")
        if begin == "*":
            found |= set(range(low, high + 1))
        else:
            assert dots or not step, f"a step without an end: {text}"
            last = int(end) if dots else int(begin)
            found |= set(range(int(begin), last + 1, int(step or 1)))
    assert found <= set(range(low, high + 1)), text
    return frozenset(found)


def _crontab(files):
    lines = [each for each in files["deploy/crontab"].splitlines() if re.match(r"[\d*]", each)]
    parts = [each.split(" ", 6) for each in lines]
    return [cron(_inner(part[6]), " ".join(part[:5])) for part in parts]


def _inner(command):
    return re.sub(r"^.* exec \S+/python ", "python ", command.replace("\\%", "%"))


def _pandastack(files):
    rows = [row for row in _rows(files["deploy/pandastack.md"]) if len(row) == 4]
    return [cron(command, line) for _, line, process, command in rows if process.startswith("PROCESS=")]


def _northflank(files):
    jobs = [
        each["spec"]
        for each in nodes_of(json.loads(files["northflank.json"])["spec"])
        if each["kind"] == "CronJob"
    ]
    return [cron(each["deployment"]["docker"]["customCommand"], each["schedule"]) for each in jobs]


def _rows(text):
    """Give the cells of Markdown tables without their heads, and without the marks around code."""
    lines = text.splitlines()
    for above, line in pairwise(lines):
        if line.startswith("|") and not re.match(r"\| -", line) and not _is_head(lines, line):
            assert above.startswith("|")
            yield [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")]


def _is_head(lines, line):
    following = lines[lines.index(line) + 1 :][:1]
    return bool(following) and following[0].startswith("| ---")


def _yaml(text):
    return libyaml.one(text)


READERS = {
    "render": _render,
    "heroku": _heroku,
    "railway": _railway,
    "digitalocean": _digitalocean,
    "dokku": _dokku,
    "scalingo": _scalingo,
    "upsun": _upsun,
    "fly": _fly,
    "cloudrun": _cloudrun,
    "ecs": _ecs,
    "azure": _azure,
    "nomad": _nomad,
    "kubernetes": _kubernetes,
    "coolify": partial(_compose, folder="coolify"),
    "dokploy": partial(_compose, folder="dokploy"),
    "kamal": _kamal,
    "compose": _compose,
    "systemd": _systemd,
    "crontab": _crontab,
    "pandastack": _pandastack,
    "northflank": _northflank,
}
