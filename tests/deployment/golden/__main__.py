"""Write the golden files again, to be looked at before they are committed."""

import shutil

from deployment.exporters.files import write
from tests.deployment.golden.variants import FOLDER, exports

for name, export in exports():
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    for path in write(export, FOLDER / name):
        print(path)
