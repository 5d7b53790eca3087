"""Coolify, Dokploy and Kamal: what containers really get there, and what those platforms' own readers say."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import CASES, FOLDER, SHIPPED
from tests.offbeat.deployment.own_servers import (
    ASKED,
    ENVIRONMENT,
    compose_processes,
    kamal_lines,
    kamal_processes,
    render,
    split,
)
from tests.offbeat.deployment.validators import laid_out, npm_package, run, tool

SPECS = CASES | {"shipped": SHIPPED, "rich": spec.read(FOLDER / "platform.yaml")}
COMPOSE = ("compose", "coolify", "dokploy")
# What a shell, a template, a reader of YAML or a parser of references could take for its own.
VALUES = [
    "${HOME}", "$", "a$", "$$", "$HOME", "x #{y} #$z #@w", "<% x %> <%= y %> %>", "0o17", "1e3", "1,000", ":name", "y", "~",
    "{{ team.X }} ", "$SERVICE_FQDN_WEB", "a ${SERVICE_URL_WEB}", "", " ", "\t", "it's", "$it's\\", "'", '"', "\\", "a\\",
    "!x", "* ?", "\u00a0", "\n", "a\nb", "x\r\n", "\x7f", "$'\\n\"", "-n", "true", "12:30", "2026-11-26", "1_000", "é<%", "a=b",
]  # fmt: skip
NASTY = replace(
    SHIPPED,
    env=(
        *SHIPPED.env,
        *(spec.EnvVar(name=f"X{number}", default=value) for number, value in enumerate(VALUES)),
    ),
)


def files(target, platform):
    return {file.path: file.text for file in export_platform(target, platform).files}


def expected(platform, service):
    """Give what a process gets: of a service, or of none."""
    values = {
        each.name: ASKED if each.default is None else each.default
        for each in platform.env_of(service.name if service else "")
    }
    if service and service.port:
        values["PORT"] = str(service.port)
    return values | ({"WORKER_GRACE": str(service.grace)} if service and service.queues else {})


def check(platform, processes, names):
    for name, (argv, env) in processes.items():
        service = next((each for each in platform.services if each.name == name.partition("-")[0]), None)
        wanted = expected(platform, service)
        assert {key: env.get(key) for key in wanted} == wanted, name
        extra = set(env) - set(wanted) - set(platform.resources.injected)
        assert {each for each in extra if not each.startswith("SERVICE_FQDN_WEB_")} <= {"PROCESS"}
        assert env.get("PROCESS") == "release+web" if name == "web" and not argv else argv, name
        if service and argv:
            assert argv == service.argv
    assert set(processes) == names


@pytest.mark.parametrize("case", [*SPECS, "nasty"])
@pytest.mark.parametrize("target", COMPOSE)
def test_compose_gives_each_value_and_word_as_it_is(target, case):
    """No `$`, quote, number or line break is read by Compose, Coolify's parser or YAML as anything else."""
    platform = SPECS.get(case, NASTY)

    processes = compose_processes(files(target, platform), target)

    copies = {
        f"{each.name}-{n}"
        for each in platform.services
        if not each.port
        for n in range(2, each.instances.min + 1)
    }
    check(
        platform,
        processes,
        {"release", "cron", *(each.name for each in platform.services)}
        | (copies if target == "coolify" else set()),
    )


@pytest.mark.parametrize("case", [*SPECS, "nasty"])
def test_kamal_gives_each_value_and_word_as_it_is(case):
    """Neither its templates, nor its quoting, nor the shell of the host changes a value."""
    platform = SPECS.get(case, NASTY)

    processes = kamal_processes(files("kamal", platform), ENVIRONMENT)

    copies = {
        f"{each.name}-{n}"
        for each in platform.services
        if not each.port
        for n in range(2, each.instances.min + 1)
    }
    check(platform, processes, {"cron", *(each.name for each in platform.services)} | copies)


@pytest.fixture(scope="module")
def kamals_lines(tmp_path_factory):
    """What Kamal itself prints for every case, by one start of Ruby."""
    tool("ruby")
    alone = replace(SHIPPED, services=tuple(each for each in SHIPPED.services if not each.port))
    more = {"nasty": NASTY, "alone": alone}
    printed = {case: files("kamal", platform) for case, platform in (SPECS | more).items()}
    secret = {
        "SECRET_KEY": "k$5abc$(id -u)`x`",
        "POSTGRES_PASSWORD": "pw",
        "N_REQSEC": 'a "b" $(touch pwned) #c',
    }
    return kamal_lines(laid_out(printed, tmp_path_factory.mktemp("kamal")), secret)


def test_kamal_itself_takes_every_file_and_gives_the_same(kamals_lines):
    """Kamal's validation finds nothing, and the lines that it runs on the host have the values exact."""
    for case, platform in (SPECS | {"nasty": NASTY}).items():
        found = kamals_lines[case]
        for name, (argv, env) in kamal_processes(files("kamal", platform), ENVIRONMENT).items():
            words = split(found["roles"][name])
            given = [word for option, word in pairwise(words) if option == "--env"]
            mine = [each for each in given if not each.startswith("KAMAL_")]
            assert mine == [f"{key}={value}" for key, value in env.items() if value != ASKED], (case, name)
            assert words[len(words) - len(argv) :] == argv


def test_secrets_come_from_the_environment_as_they_are(kamals_lines):
    """No part of a secret is run, and no comment either."""
    lines = kamals_lines["v4-nasty-env"]["secrets"].splitlines()

    assert "SECRET_KEY=k$5abc$(id -u)`x`" in lines
    assert 'N_REQSEC=a "b" $(touch pwned) #c' in lines
    assert "DATABASE_URL=postgres://app:pw@offbeat-postgres:5432/app" in lines
    assert "SENTRY_DSN=" in lines


@pytest.mark.parametrize("case", SPECS)
def test_coolify_gets_what_its_parser_can_read(case):
    """Web is first and routes by its port; made secrets have names that the parser can count; nothing publishes a port."""
    services = libyaml.one(files("coolify", SPECS[case])["deploy/coolify/compose.yaml"])["services"]

    assert next(iter(services)) == "web"
    assert next(iter(services["web"]["environment"])) == f"SERVICE_FQDN_WEB_{SPECS[case].service('web').port}"
    assert services["web"]["environment"]["ALLOWED_HOSTS"] == "${SERVICE_FQDN_WEB}"
    assert services["web"]["environment"]["SECRET_KEY"].count("_") == 3
    for entry in services.values():
        assert "ports" not in entry
        assert "replicas" not in entry.get("deploy", {})
        for value in entry.get("environment", {}).values():
            # The parser lists a value that begins with a dollar as a variable of that name.
            assert not value.startswith("$") or value.startswith("${")
            assert "{{" not in value


NODE_YAML = """
import { parse, stringify } from "yaml";
import { readFileSync } from "node:fs";
const read = (path) => parse(stringify(parse(readFileSync(path, "utf8"), { maxAliasCount: 10000 }), { lineWidth: 1000 }));
console.log(JSON.stringify(process.argv.slice(2).map(read)));
"""


def test_dokploys_library_reads_and_writes_the_file_without_a_change(tmp_path):
    """Dokploy parses the file, adds a domain's labels, and writes it again, by npm's yaml."""
    node, package = tool("node"), npm_package("yaml")
    (tmp_path / "node_modules").symlink_to(package.parent)
    (tmp_path / "main.mjs").write_text(NODE_YAML)
    texts = [files("dokploy", each)["deploy/dokploy/compose.yaml"] for each in (*SPECS.values(), NASTY)]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text, newline="")

    command = [node, "main.mjs", *(f"{number}.yaml" for number in range(len(texts)))]
    done = run(*command, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [libyaml.one(text) for text in texts]


def test_dokploy_gets_a_file_without_a_name():
    """Dokploy names the project itself, and its domains need no port of the machine."""
    document = libyaml.one(files("dokploy", SHIPPED)["deploy/dokploy/compose.yaml"])

    assert "name" not in document
    assert "ports" not in document["services"]["web"]


@pytest.mark.parametrize(
    ("image", "server", "name"),
    [
        ("acme/shop:1.4.2", None, "acme/shop"),
        ("ghcr.io/acme/shop@sha256:" + "0" * 64, "ghcr.io", "acme/shop"),
        ("localhost:5000/shop:1", "localhost:5000", "shop"),
    ],
)
def test_kamal_gets_the_registry_apart_from_the_image(image, server, name):
    """Without a registry, Kamal takes Docker Hub; it gives the tag itself."""
    config = libyaml.one(
        render(files("kamal", replace(SHIPPED, image=image))["config/deploy.yml"], ENVIRONMENT)
    )

    assert (config["registry"].get("server"), config["image"]) == (server, name)


def test_a_project_without_web_has_no_proxy():
    """Kamal then starts the first service before the others, and Coolify has no address to fill in."""
    alone = replace(SHIPPED, services=tuple(each for each in SHIPPED.services if not each.port))

    config = libyaml.one(render(files("kamal", alone)["config/deploy.yml"], ENVIRONMENT))
    services = libyaml.one(files("coolify", alone)["deploy/coolify/compose.yaml"])["services"]

    assert (config["primary_role"], config["servers"]["worker"]["proxy"], "proxy" in config) == (
        "worker",
        False,
        False,
    )
    assert config["servers"]["worker"]["env"]["clear"]["PROCESS"] == "release+worker"
    assert services["worker"]["environment"]["ALLOWED_HOSTS"] == "${ALLOWED_HOSTS}"
