"""A pytest plugin, loaded before all others: the project that the core's tests work for is tests/offbeat/sample_project."""

import os
from pathlib import Path

os.environ["OFFBEAT_ROOT"] = str(Path(__file__).resolve().parents[1] / "sample_project")
