"""Kamal: roles on servers of one's own, whose new containers a proxy takes over when they are ready."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment import budget
from offbeat.deployment.exporters import stand_in
from offbeat.deployment.exporters.compose_file import IMAGES, REDIS, SCRATCH, USER, postgres_folder
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import asked, fixed_values, to_fill_in
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.instances import name_instances
from offbeat.deployment.exporters.texts import comment, yaml_text
from offbeat.deployment.pins import pin_image
from offbeat.variables.weak_secrets import HEX_RECIPE

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

CONFIG, SECRETS = "config/deploy.yml", ".kamal/secrets"
FACTS = Facts(
    title="Kamal",
    console=Console(
        where=(
            "In a terminal on your own machine, with Kamal and the variables of `.kamal/secrets` (`set -a; . "
            "~/<name>.env; set +a`)."
        ),
        run='kamal app exec --interactive --reuse "{command}"',
        fire=(
            "The role `cron` starts it at its time: `kamal app logs --roles cron`. To run its command there: "
            '`kamal app exec --reuse --roles cron "python manage.py enqueue_prune_jobs"`.'
        ),
        state="`kamal details`",
        worker="`kamal app boot --roles worker`",
        logs="`kamal app logs`",
        variables="`config/deploy.yml`, and the file with the variables of `.kamal/secrets`",
        crons="`kamal app logs --roles cron`",
    ),
    files=(CONFIG, SECRETS),
    cron="none: a role reads platform.yaml",
    zone="file",
    overlap="one after another",
    grace_unset="10 s for web, 30 s for other roles",
    release="the first thing in a new container of web; the other roles wait until that is ready",
    scales=False,
    shares_port=False,
    shows_size=True,
    hosts="ALLOWED_HOSTS: the proxy answers to the same names, and gets certificates for them",
    resources="accessories, each with a volume: `kamal accessory boot`; backups are yours",
    rabbitmq="an accessory, with a volume",
    makes_rabbitmq=True,
    servers="own",
    proved_by="Kamal's own validation; where Ruby is missing, our own strict reader",
    notes=(
        stand_in.note("role"),
        "the file reads SERVER and ALLOWED_HOSTS from the environment of the person who deploys; and ARCH, if it is not amd64",
        "release: it may take DEPLOY_TIMEOUT seconds (300) until web is ready; it runs again whenever a container of web starts",
        "a role runs one container on each of its hosts: a second instance of a service is another role, `worker-2`",
        "`forward_headers` is left out: with it a visitor could say that the connection is HTTPS, and where it comes from",
    ),
    sources=(
        "github.com/basecamp/kamal, 2.12.0: lib/kamal/configuration/docs, lib/kamal/utils.rb, lib/kamal/env_file.rb, lib/kamal/cli",
        "github.com/basecamp/kamal-proxy: internal/server/target.go",
    ),
)
CRON_MEMORY = 256
# What Kamal's quoting changes: a variable in braces is expanded on the host, `#{` gets a backslash, blank values and
# control characters are lost.
CHANGED = re.compile(r"\$\{|#[{$@]|[^\x20-\x7e\x80-\U0010ffff]")


def files(target: Target) -> tuple[File, ...]:
    return (
        File(CONFIG, yaml_text(_config(target), header=target.header)),
        File(SECRETS, _secrets(target)),
    )


def _config(target: Target) -> dict[str, Any]:
    platform = target.platform
    first = target.first
    server, _, image = _image(target.image)
    config: dict[str, Any] = {"service": platform.name, "image": image, "minimum_version": "2.12.0"}
    if first.name != "web":
        config["primary_role"] = first.name
    roles = {name: _role(target, each) for each in platform.services for name in name_instances(each)}
    config["servers"] = roles | _cron(target)
    if first.port:
        config["proxy"] = _proxy(first)
    else:
        roles[first.name]["proxy"] = False
    secret = {key: [f"KAMAL_REGISTRY_{key.upper()}"] for key in ("username", "password")}
    config["registry"] = ({"server": server} if server else {}) | secret
    config["builder"] = {"arch": _ruby('ENV.fetch("ARCH", "amd64")')}
    config["env"] = _env(fixed_values(target, None), platform.env_of(""), target)
    # The release is part of it.
    config["deploy_timeout"] = _ruby('ENV.fetch("DEPLOY_TIMEOUT", "300")')
    config["drain_timeout"] = target.grace(first)
    if platform.resources.kinds:
        config["accessories"] = {kind: _accessory(target, kind) for kind in platform.resources.kinds}
    return config


def _role(target: Target, service: Service) -> dict[str, Any]:
    platform = target.platform
    common = {each.name for each in platform.env_of("")}
    values = fixed_values(target, service)
    own = {name: value for name, value in values.items() if name not in common}
    particular = tuple(each for each in platform.env_of(service.name) if each.services)
    role: dict[str, Any] = {
        "hosts": [_ruby('ENV.fetch("SERVER")')],
        "stop_timeout": target.grace(service),
        "options": _options(service.cpu, service.memory) | _health(service),
    }
    if target.releases(service):
        # A hook could not run it: before the first container, the host has no secrets yet, and later those of the last deploy.
        own["PROCESS"] = f"release+{service.name}"
    else:
        role["cmd"] = _command(service.command)
    if env := _env(own, particular, target, servers=False):
        role["env"] = env
    return role


def _cron(target: Target) -> dict[str, Any]:
    if not target.wake_ups:
        return {}
    role = {
        "hosts": [_ruby('ENV.fetch("SERVER")')],
        "cmd": stand_in.COMMAND,
        "stop_timeout": 30,
        "options": _options(0.5, CRON_MEMORY) | {"no-healthcheck": True},
    }
    return {"cron": role}


def _options(cpu: float, memory: int) -> dict[str, Any]:
    """Give the options of `docker run`."""
    return {
        "cpus": f"{cpu:g}",
        "memory": f"{memory}m",
        "read-only": True,
        "tmpfs": f"{SCRATCH}:size={budget.SCRATCH}m",
        "cap-drop": "ALL",
        "security-opt": "no-new-privileges:true",
    }


def _health(service: Service) -> dict[str, Any]:
    """Say how Docker asks a role that no proxy asks: the image's own question is for web, and the deploy would wait for it."""
    if service.port:
        return {}
    if not service.health:
        return {"no-healthcheck": True}
    command = shlex.join(shlex.split(service.health))
    if CHANGED.search(command):
        return {f"health-cmd {_escaped(shlex.quote(command))}": True, "health-interval": "10s"}
    return {"health-cmd": _escaped(command), "health-interval": "10s", "health-timeout": "5s"}


def _proxy(service: Service) -> dict[str, Any]:
    """Say where web is asked whether it is ready, and by which names it is reached."""
    path = service.ready or service.health
    check = {"healthcheck": {"path": path, "interval": 3, "timeout": 3}} if path else {}
    return {"host": _ruby('ENV.fetch("ALLOWED_HOSTS")'), "ssl": True, "app_port": service.port} | check


def _env(
    values: dict[str, str], variables: tuple[EnvVar, ...], target: Target, *, servers: bool = True
) -> dict[str, Any]:
    redis = target.platform.resources.redis if servers else None
    postgres = target.platform.resources.postgres if servers else None
    clear = dict(_clear(name, value) for name, value in values.items())
    clear |= {redis.injects: f"redis://{target.platform.name}-redis:6379/0"} if redis else {}
    rabbitmq = target.platform.resources.rabbitmq if servers else None
    secret = [each.name for each in variables if each.default is None]
    secret += [each.injects for each in (postgres, rabbitmq) if each]
    return ({"clear": clear} if clear else {}) | ({"secret": secret} if secret else {})


def _clear(name: str, value: str) -> tuple[str, str]:
    """Write a variable so that it arrives as it is: what Kamal's quoting changes stands in the key, which it does not quote."""
    if not value.strip() or CHANGED.search(value):
        return f"{name}={_escaped(shlex.quote(value))}", ""
    return name, _escaped(value)


def _command(command: str) -> str:
    """Write a command for the shell of the host, which gets it as it is."""
    return _escaped(shlex.join(shlex.split(command)))


def _escaped(text: str) -> str:
    """Write text in which Kamal's templates (ERB) see no Ruby."""
    return text.replace("<%", "<%%")


def _ruby(expression: str) -> str:
    return f"<%= {expression} %>"


def _image(image: str) -> tuple[str, str, str]:
    """Split an image's address: the registry, and the name without a tag, which Kamal gives."""
    server, slash, path = image.partition("/")
    if not slash or not re.search(r"[.:]|^localhost$", server):
        server, slash, path = "", "", image
    return server, slash, path.partition("@")[0].partition(":")[0]


def _accessory(target: Target, kind: str) -> dict[str, Any]:
    version = getattr(target.platform.resources, kind).version
    volume = f"{target.platform.name}-{kind}"
    entry: dict[str, Any] = {
        "image": pin_image(f"{IMAGES[kind]}:{version}"),
        "host": _ruby('ENV.fetch("SERVER")'),
    }
    if kind == "redis":
        return entry | {"cmd": REDIS, "volumes": [f"{volume}:/data"]}
    if kind == "rabbitmq":
        entry["env"] = {"clear": {"RABBITMQ_DEFAULT_USER": USER}, "secret": ["RABBITMQ_DEFAULT_PASS"]}
        # Its data are by the name of the host.
        return entry | {"options": {"hostname": kind}, "volumes": [f"{volume}:/var/lib/rabbitmq"]}
    entry["env"] = {
        "clear": {"POSTGRES_USER": USER, "POSTGRES_DB": USER},
        "secret": ["POSTGRES_PASSWORD"],
    }
    return entry | {"volumes": [f"{volume}:{postgres_folder(version)}"]}


def _secrets(target: Target) -> str:
    platform = target.platform
    names = {each.name: to_fill_in(each) for each in asked(platform)}
    passwords = {"postgres": "POSTGRES_PASSWORD", "rabbitmq": "RABBITMQ_DEFAULT_PASS"}
    for kind in platform.resources.kinds:
        if kind in passwords:
            names |= {passwords[kind]: f"required: of letters and digits only: {HEX_RECIPE}"}
    names |= {f"KAMAL_REGISTRY_{key}": "required: of the registry" for key in ("USERNAME", "PASSWORD")}
    lines = [comment(f"{target.header}\n\n{SECRETS_HINT}").rstrip(), ""]
    for name, text in names.items():
        lines += [comment(text).rstrip(), f"{name}=${name}"]
    if postgres := platform.resources.postgres:
        address = f"postgres://{USER}:${{POSTGRES_PASSWORD}}@{platform.name}-postgres:5432/{USER}"
        lines += [f"{postgres.injects}={address}"]
    if rabbitmq := platform.resources.rabbitmq:
        address = f"amqp://{USER}:${{RABBITMQ_DEFAULT_PASS}}@{platform.name}-rabbitmq:5672/"
        lines += [f"{rabbitmq.injects}={address}"]
    return "\n".join(lines) + "\n"


SECRETS_HINT = """\
No secret is in this file: each comes from the environment of the person who runs kamal. For those that are kept in a
password manager, `kamal secrets fetch` may stand here. A backslash or a line break in a secret does not arrive as it is:
Kamal writes an env file for Docker."""
