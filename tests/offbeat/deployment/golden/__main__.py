"""Write the golden files again, to be looked at before they are committed."""

import shutil

import tests.offbeat.support.sample_project  # noqa: F401 - first: the images are those of the tests' project, without digests
from offbeat.deployment.exporters.files import write
from tests.offbeat.deployment.golden.variants import FOLDER, exports

for name, export in exports():
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in write(export, FOLDER / name):
        print(path)
