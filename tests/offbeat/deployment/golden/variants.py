"""Which exports the golden files hold: every platform, and every option once."""

from dataclasses import replace
from pathlib import Path

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, File, Options, export_platform

FOLDER = Path(__file__).parent
# As a team completes it that deploys to a platform which asks where the code and the image are.
SHIPPED = replace(spec.read(), repository="acme/shop", image="registry.example/acme/shop:1.4.2")
CASES = {path.stem: spec.read(path) for path in sorted((FOLDER.parent / "cases").glob("v*.yaml"))}
"""platform.yaml of teams with unusual needs: long names, nasty values, odd schedules, small and large sizes."""
VARIANTS = {
    **{name: (name, Options()) for name in TARGETS},
    "render-tick": ("render", Options(tick=10)),
    "kubernetes-keda-redis": ("kubernetes", Options(keda="redis")),
    "kubernetes-keda-prometheus": ("kubernetes", Options(keda="prometheus")),
}
# Where RabbitMQ is made, one where it is not, and one where all servers are a person's own.
RABBITMQ = ("compose", "dokku", "heroku", "kamal", "kubernetes", "render", "upsun")
VARIANTS |= {f"{name}-rabbitmq": (name, Options()) for name in RABBITMQ}
IO = spec.Service(
    name="io",
    command="python manage.py worker --queues io --pool threads --concurrency 50",
    queues=("io",),
    grace=30,
)


def with_rabbitmq(platform):
    """Give a platform whose jobs RabbitMQ carries, to a second worker for those that wait for other servers, too."""
    servers = replace(
        platform.resources, redis=None, rabbitmq=spec.Resource(version="4.1", injects="BROKER_URL")
    )
    return replace(platform, resources=servers, services=(*platform.services, IO))


def exports():
    """Give (folder, export), the warnings as a file among the others."""
    for name in VARIANTS:
        yield name, export(name)


def export(name):
    """Give what that folder holds."""
    target, options = VARIANTS[name]
    platform = spec.read(FOLDER / "platform.yaml")
    made = export_platform(target, with_rabbitmq(platform) if "rabbitmq" in name else platform, options)
    warnings = "".join(f"{line}\n" for line in made.warnings)
    return replace(made, files=(*made.files, File("warnings.txt", warnings)))
