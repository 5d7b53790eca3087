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


def exports():
    """Give (folder, export), the warnings as a file among the others."""
    for name in VARIANTS:
        yield name, export(name)


def export(name):
    """Give what that folder holds."""
    target, options = VARIANTS[name]
    made = export_platform(target, spec.read(FOLDER / "platform.yaml"), options)
    warnings = "".join(f"{line}\n" for line in made.warnings)
    return replace(made, files=(*made.files, File("warnings.txt", warnings)))
