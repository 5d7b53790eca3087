"""What exports and pages say of a platform is what the platform does today, and their scripts may be run again."""

import os
import re
import subprocess
import tomllib
from dataclasses import replace

import pytest

from offbeat.deployment import spec
from offbeat.deployment.exporters import export_platform
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.golden.variants import CASES, FOLDER, SHIPPED
from tests.offbeat.support.running import CHECKOUT

PAGES = CHECKOUT / "docs" / "offbeat" / "deploy"
SPECS = {"shipped": SHIPPED, "rich": spec.read(FOLDER / "platform.yaml"), **CASES}


def files(target, platform):
    return {file.path: file.text for file in export_platform(target, platform).files}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("upsun", "14 days after the last deployment"),
        ("upsun", "at most 15 s (unset: 15 s, always)"),
        ("fly", "release: Fly ends it after 15m"),
        ("fly", "would destroy the standby"),
        ("scalingo", "does not guarantee that a task runs"),
        ("scalingo", "at most 10 % of the interval, and 20 minutes at most"),
        ("heroku", "sustaining engineering"),
        ("heroku", "Advanced Scheduler"),
        ("railway", "read until 2026-12-01, by Railway's own announcement"),
        ("railway", "`railway login`"),
        ("railway", "`railway config plan`"),
        ("railway", "`railway config apply`"),
        ("kubernetes", "A server at another port needs a NetworkPolicy of your own"),
    ],
)
def test_a_page_knows_what_its_platform_does(target, words):
    """A fact that costs a team slots or a deploy stands on the platform's page."""
    assert words in (PAGES / f"{target}.md").read_text()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("upsun", "whether the 15 s between SIGTERM and SIGKILL"),
        ("cloudrun", "has left its beta"),
        ("cloudrun", "takes the flags of `create http`"),
        ("fly", "cron=1`."),
        ("railway", "stop being read"),
    ],
)
def test_nothing_is_doubted_that_is_documented(target, words):
    """A doubt is for what has no source, and no page says what a day makes wrong."""
    printed = "\n".join([*files(target, SHIPPED).values(), *export_platform(target, SHIPPED).warnings])

    assert words not in (PAGES / f"{target}.md").read_text() + printed


@pytest.mark.parametrize("name", ["shipped", "rich"])
def test_fly_gives_the_release_the_time_that_it_may_wait(name):
    """Fly ends a release after 5 minutes unless it is said; ours may wait 600 s for a lock, and 30 s for a server."""
    deploy = tomllib.loads(files("fly", SPECS[name])["fly.toml"])["deploy"]

    minutes = re.fullmatch(r"(\d+)m", deploy["release_command_timeout"])[1]
    assert int(minutes) * 60 > 600 + 30


@pytest.mark.parametrize("name", ["shipped", "rich", "v1-two-workers-long-names", "v7-two-small-workers"])
def test_fly_keeps_its_standbys(name):
    """A process of one instance that serves no requests is not scaled: Fly would throw its standby away."""
    platform = SPECS[name]
    text = files("fly", platform)["fly.toml"]

    counts = dict(re.findall(r"(\w+)=(\d+)", " ".join(re.findall(r"fly scale count (.*)", text))))
    wanted = {each.name: str(max(each.instances.min, 1)) for each in platform.services}
    assert counts == {
        each.name: wanted[each.name] for each in platform.services if each.port or wanted[each.name] != "1"
    }


def egress(platform):
    policies = libyaml.every(files("kubernetes", platform)["deploy/kubernetes/network.yaml"])
    rules = next(each for each in policies if "Egress" in each["spec"]["policyTypes"])["spec"]["egress"]
    return {(port["protocol"], port["port"]) for rule in rules for port in rule["ports"]}


def with_env(**defaults):
    variable = SHIPPED.env[0]
    kept = tuple(each for each in SHIPPED.env if each.name not in defaults)
    new = (replace(variable, name=name, default=value, generated=False) for name, value in defaults.items())
    return replace(SHIPPED, env=(*kept, *new))


@pytest.mark.parametrize("name", ["shipped", "v2-external-redis"])
def test_pods_reach_managed_servers(name):
    """PostgreSQL and Redis at the ports of managed ones and poolers, names, HTTPS and mail are not cut off."""
    assert {("UDP", 53), ("TCP", 53)} < egress(SPECS[name])
    assert {("TCP", port) for port in (443, 587, 5432, 6432, 25060, 6379, 6380, 25061)} < egress(SPECS[name])


@pytest.mark.parametrize(
    ("env", "port"),
    [
        ({"EMAIL_PORT": "2525"}, 2525),
        ({"MEDIA_ENDPOINT_URL": "http://minio.storage:9000"}, 9000),
        ({"SEARCH_URL": "https://u:p@search.example.com:9243/index?x=1"}, 9243),
        ({"STATSD_PORT": "8125"}, 8125),
    ],
)
def test_pods_reach_what_defaults_name(env, port):
    """A port that stands in platform.yaml is let out."""
    assert ("TCP", port) in egress(with_env(**env))


@pytest.mark.parametrize("value", ["12:30", "a:b:99999", "", "70000", "https://example.com", "x://h:0"])
def test_what_is_no_port_opens_none(value):
    """Text with a colon, or a number beyond the ports, is no port."""
    assert egress(with_env(ODD=value, ODD_PORT=value)) == egress(SHIPPED)


def test_a_number_is_no_port():
    """Threads and rates open nothing: only what is called a port, and ports of addresses."""
    assert egress(with_env(WEB_THREADS="8", RATE="10")) == egress(SHIPPED)


def test_mail_without_a_port_reaches_every_usual_one():
    """Without EMAIL_PORT somebody says it later: 25, 465 and 587 are let out."""
    platform = replace(SHIPPED, env=tuple(each for each in SHIPPED.env if each.name != "EMAIL_PORT"))

    assert {("TCP", 25), ("TCP", 465), ("TCP", 587)} < egress(platform)


def test_the_policy_names_what_it_cannot_know():
    """The address of a Redis that lives elsewhere is set later: the file says that its port may be another."""
    text = files("kubernetes", CASES["v2-external-redis"])["deploy/kubernetes/network.yaml"]

    assert re.search(r"# Not known here: the ports in DATABASE_URL, REDIS_URL,", text)
    assert "# For another port add a NetworkPolicy of your own: policies add up." in text


STUBS = {
    "gcloud": """
case "$*" in
    *"$FAILS"*) exit 1 ;;
    "scheduler jobs describe "*) [[ -e $STATE/$4 ]] ;;
    "scheduler jobs create http "*) [[ ! -e $STATE/$5 ]] && touch "$STATE/$5" ;;
    "scheduler jobs update http "*) [[ -e $STATE/$5 ]] ;;
esac
""",
    "dokku": """
kept() { [[ -e $STATE/${1//[^a-z0-9]/_} ]]; }
case "$*" in
    *"$FAILS"*) exit 1 ;;
    apps:exists*) kept "app $2" ;;
    apps:create*) ! kept "app $2" && touch "$STATE/app_$2" ;;
    plugin:installed*) kept "plugin $2" ;;
    plugin:install*) ! kept "plugin $3" && touch "$STATE/plugin_$3" ;;
    *:exists*) kept "server $2" ;;
    *:create*) touch "$STATE/server_${2//-/_}" ;;
    *:linked*) kept "link $2" ;;
    *:link*) ! kept "link $2" && touch "$STATE/link_${2//-/_}" ;;
    config:keys*) find "$STATE" -name 'config.*' -printf '%f\\n' | cut -d. -f2 ;;
    config:set*) printf %s "${4#*=}" >"$STATE/config.${4%%=*}" ;;
    domains:report*) printf '%s\\n' "$DOMAINS" ;;
esac
""",
}


def run_script(target, folder, **env):
    """Run the script of an export with the platform's tool in our hands; gives it and the lines that the tool was called with."""
    tool = {"cloudrun": "gcloud"}.get(target, target)
    script, stub, log = folder / "setup.sh", folder / tool, folder / "log"
    script.write_text(files(target, SHIPPED)[f"deploy/{target}/setup.sh"])
    stub.write_text(f'#!/usr/bin/env bash\nprintf \'%s\\n\' "$*" >>"$LOG"\n{STUBS[tool]}')
    stub.chmod(0o755)
    log.write_text("")
    (folder / "state").mkdir(exist_ok=True)
    given = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "LOG": log,
        "STATE": folder / "state",
        "FAILS": "nothing",
    }
    done = subprocess.run(["bash", script], env=given | env, capture_output=True, text=True, check=False)
    return done, log.read_text().splitlines()


CLOUD = {"PROJECT": "acme", "REGION": "europe-west1", "SCHEDULER_ACCOUNT": "cron@acme"}


def test_cloud_runs_script_makes_a_schedule_once_and_changes_it_later(tmp_path):
    """The first run creates, the second updates, with the same flags, of commands that are no beta."""
    first, made = run_script("cloudrun", tmp_path, **CLOUD)
    second, changed = run_script("cloudrun", tmp_path, **CLOUD)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    made, changed = ([line for line in lines if " http " in line] for lines in (made, changed))
    assert [line.replace("jobs create", "jobs update") for line in made] == changed
    assert len(made) >= len(SHIPPED.cronjobs)
    for flag in ("schedule", "uri", "http-method", "time-zone", "oauth-service-account-email"):
        assert all(f" --{flag} " in line for line in made)
    assert not [line for line in made if "beta" in line]


def test_cloud_runs_script_stops_at_a_schedule_that_is_refused(tmp_path):
    """A schedule that cannot be made is not passed over."""
    done, lines = run_script("cloudrun", tmp_path, FAILS="jobs create http", **CLOUD)

    assert done.returncode != 0
    assert len([line for line in lines if "jobs create http" in line]) == 1


def test_dokkus_script_may_run_again_and_keeps_the_secrets(tmp_path):
    """The second run makes nothing anew, and SECRET_KEY stays: another one would log everybody out."""
    first, _ = run_script("dokku", tmp_path, DOMAINS="www.example.com shop.example.com")
    key = (tmp_path / "state" / "config.SECRET_KEY").read_text()
    second, lines = run_script("dokku", tmp_path, DOMAINS="www.example.com")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert (tmp_path / "state" / "config.SECRET_KEY").read_text() == key
    assert (tmp_path / "state" / "config.ALLOWED_HOSTS").read_text() == "www.example.com,shop.example.com"
    assert not [
        line for line in lines if re.match(r"(apps|postgres|redis):(create|link) |plugin:install ", line)
    ]


def test_dokkus_script_makes_no_key_where_it_cannot_see_the_old_one(tmp_path):
    """A question that Dokku does not answer ends the script: the key that is there would be replaced."""
    run_script("dokku", tmp_path, DOMAINS="www.example.com")
    done, lines = run_script("dokku", tmp_path, FAILS="config:keys", DOMAINS="www.example.com")

    assert done.returncode != 0
    assert not [line for line in lines if "SECRET_KEY=" in line]


def test_dokkus_script_asks_for_a_domain(tmp_path):
    """Without a global domain Dokku gives an app none: the script says so, and sets no empty ALLOWED_HOSTS."""
    done, lines = run_script("dokku", tmp_path, DOMAINS="")

    assert done.returncode != 0
    assert f"dokku domains:set {SHIPPED.name} www.example.com" in done.stderr
    assert not [line for line in lines if "ALLOWED_HOSTS=" in line]


def test_dokkus_script_takes_hosts_from_its_environment(tmp_path):
    """Whoever knows the name before Dokku does says it."""
    done, _ = run_script("dokku", tmp_path, DOMAINS="", ALLOWED_HOSTS="shop.example.com")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "state" / "config.ALLOWED_HOSTS").read_text() == "shop.example.com"


def test_dokkus_script_stops_at_a_server_that_is_refused(tmp_path):
    """An app without its database is not configured further."""
    done, lines = run_script("dokku", tmp_path, FAILS="postgres:create", DOMAINS="www.example.com")

    assert done.returncode != 0
    assert lines[-1].startswith("postgres:create")


def test_heroku_offers_exact_cron_lines():
    """Advanced Scheduler gets a line for each wake-up that is not rounded to the ten minutes of Scheduler."""
    text = files("heroku", CASES["v9-step-that-does-not-divide"])["deploy/heroku/scheduler.md"]

    triggers = re.findall(r"heroku triggers:create .*--schedule '([^']*)'", text)
    assert "*/7 * * * *" in triggers
    assert "0 */5 * * *" in triggers
