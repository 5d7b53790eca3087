"""Write the golden files again, to be looked at before they are committed."""

import os
import shutil
from pathlib import Path

# As in the tests: no compose.yaml of the project's pins an image.
os.environ["OFFBEAT_ROOT"] = str(Path(__file__).parent)

import tests.offbeat.support.sample_project  # noqa: F401 - before the core is read: tests read its files, not the checkout's
from offbeat.deployment.exporters.files import write
from tests.offbeat.deployment.golden.variants import FOLDER, exports

for name, export in exports():
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in write(export, FOLDER / name):
        print(path)
