"""Write the golden files again, to be looked at before they are committed."""

import os
import shutil
from pathlib import Path

# As in the tests: no compose.yaml of the project's pins an image.
os.environ["OFFBEAT_ROOT"] = str(Path(__file__).parent)

from offbeat.deployment.exporters.files import write  # noqa: E402 - reads OFFBEAT_ROOT
from tests.offbeat.deployment.golden.variants import FOLDER, exports  # noqa: E402

for name, export in exports():
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in write(export, FOLDER / name):
        print(path)
