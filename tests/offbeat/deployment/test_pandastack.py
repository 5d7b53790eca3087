"""PandaStack's checklist, and every line of its command line that we write anywhere, against the command line itself."""

import json
import re
import subprocess
from dataclasses import replace

import pytest

from offbeat.deployment.exporters import Options, export_platform
from tests.offbeat.deployment.golden.variants import CASES, SHIPPED
from tests.offbeat.deployment.pandastack_tool import ask_tool, find_problem, read_forms, read_lines
from tests.offbeat.support.running import CHECKOUT

PLATFORMS = CASES | {"shipped": SHIPPED}


@pytest.fixture(scope="module")
def sent():
    """What the tool's wizards send for each case's checklist, by case."""
    forms = {name: read_forms(checklist(platform)) for name, platform in PLATFORMS.items()}
    _, results = ask_tool([form for each in forms.values() for form in each])
    answers = iter(results)
    return {name: [next(answers) for _ in each] for name, each in forms.items()}


def checklist(platform, **options):
    (file,) = export_platform("pandastack", platform, Options(**options)).files
    return file.text


@pytest.mark.parametrize("case", PLATFORMS)
def test_its_wizards_take_every_answer(sent, case):
    """No question is left open, none is answered that is not asked, and each choice is one that the tool offers."""
    assert [each["error"] for each in sent[case] if "error" in each] == []
    assert len(sent[case]) == len(PLATFORMS[case].resources.kinds) + len(PLATFORMS[case].services) + 1


@pytest.mark.parametrize("case", PLATFORMS)
def test_its_questions_come_in_their_order(sent, case):
    """A person reads the answers from top to bottom."""
    forms = read_forms(checklist(PLATFORMS[case]))

    orders = [list(form.answers) for form in forms]

    assert [each["asked"] for each in sent[case]] == orders


@pytest.mark.parametrize("case", PLATFORMS)
def test_values_arrive_exactly(sent, case):
    """Every container gets every default as it is in platform.yaml; one that no line holds is in the text as JSON."""
    platform = PLATFORMS[case]
    odd = {}
    for block in re.findall(r"^```json\n(.*?)^```", checklist(platform), re.MULTILINE | re.DOTALL):
        odd |= json.loads(block)
    containers = [each["sent"]["env"] for each in sent[case] if "env" in each["sent"]]

    for variables in containers:
        values = {each["name"]: each["value"] for each in variables} | odd
        given = {each.name: each.default for each in platform.env if each.default and not each.services}
        assert {name: values[name] for name in given} == given
        assert set(platform.resources.injected) <= set(values)
        assert {each.name for each in platform.env if each.required or each.generated} <= set(values)


@pytest.mark.parametrize("case", PLATFORMS)
def test_every_container_has_a_process_a_port_and_an_end(sent, case):
    """Without a start command PROCESS decides; who has no port gets one for the health path; the cronjob is a tick."""
    platform = PLATFORMS[case]
    found = {}
    for each in sent[case]:
        if "env" in each["sent"]:
            values = {entry["name"]: entry["value"] for entry in each["sent"]["env"]}
            found[values["PROCESS"]] = (each["sent"], values)

    expected = [f"release+{each.name}" if each.port else each.name for each in platform.services]
    assert sorted(found) == sorted([*expected, "tick"])
    for service, process in zip(platform.services, expected, strict=True):
        payload, values = found[process]
        assert payload["health_check_path"] == (service.health if service.port else "/healthz")
        assert values.get("HEALTH_PORT") == (values["PORT"] if service.queues else None)
    assert "PORT" not in found["tick"][1]


def test_versions_are_those_that_it_has(sent):
    """PostgreSQL 16.4.0, as 14 is too old for us, and the newest Redis."""
    databases = [each["sent"] for each in sent["shipped"] if "type" in each["sent"]]

    assert [(each["type"], each["version"]) for each in databases] == [
        ("POSTGRESQL", "16.4.0"),
        ("REDIS", "7.2.4"),
    ]


@pytest.mark.parametrize(
    ("schedule", "line"), [("*/5 * * * *", "*/5"), ("0 3 * * *", "*/10"), ("* * * * *", "*")]
)
def test_the_tick_is_no_longer_than_the_shortest_interval(schedule, line):
    """Ten minutes unless a cronjob runs more often: no two of its slots share a tick."""
    platform = _with(SHIPPED, schedule)

    assert f"| `{line} * * * *` | `PROCESS=tick` |" in checklist(platform)


def test_one_cronjob_each_can_be_had():
    """With --tick 0 each cronjob has an entry, which names it in PROCESS, and the header says how it was made."""
    text = checklist(SHIPPED, tick=0)

    processes = re.findall(r"`PROCESS=([\w-]+)` \| `python manage.py", text)
    assert processes == [each.name for each in SHIPPED.cronjobs]
    assert 'export_platform pandastack --tick 0"' in text


def test_a_service_that_answers_nothing_is_reported():
    """PandaStack asks every container for a health path: web and workers answer, another service does not."""
    listener = replace(
        SHIPPED.services[1], name="listener", command="python manage.py listen", queues=(), health=None
    )

    warnings = export_platform(
        "pandastack", replace(SHIPPED, services=(*SHIPPED.services, listener))
    ).warnings

    assert [line for line in warnings if "answers no health path" in line] == [
        "services/listener: answers no health path, which PandaStack asks every container for: it may be stopped"
    ]


def test_without_web_another_service_runs_the_release():
    """Nothing speaks of a web that is not there; who migrates gets no word about a database that is not migrated yet."""
    export = export_platform("pandastack", replace(SHIPPED, services=SHIPPED.services[1:]))
    text = export.files[0].text

    assert "PROCESS=release+worker\n" in text
    assert "Worker runs the release first" in text
    assert "has migrated" not in text
    assert any(line.startswith("release: worker runs it when it starts") for line in export.warnings)


def _with(platform, schedule):
    return replace(platform, cronjobs=(replace(platform.cronjobs[0], schedule=schedule),))


def test_every_line_of_the_tool_is_one_that_it_knows():
    """Wherever this repository writes a call of `panda`, command, options and the number of arguments are the tool's."""
    commands, _ = ask_tool()
    printed = [checklist(platform, tick=tick) for platform in PLATFORMS.values() for tick in (None, 0)]
    lines = sorted({line for text in [*printed, *_texts()] for line in read_lines(text)})

    assert [f"{line}: {problem}" for line in lines if (problem := find_problem(line, commands))] == []
    assert len(lines) > 10


def _texts():
    """Give the text of every file of the project that names the tool."""
    listed = subprocess.run(
        ["git", "grep", "-lIw", "panda"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    for path in listed.stdout.splitlines():
        if path.endswith((".md", ".py", ".txt", ".yaml", ".yml")) and "/test_pandastack" not in path:
            yield (CHECKOUT / path).read_text()
