"""The project's own addresses, with static files in the benchmark's folder."""

import os
from pathlib import Path

from bench.ops import static_files
from bench.settings import *  # noqa: F403

ROOT_URLCONF = "config.urls"
STATIC_ROOT = static_files(Path(os.environ["BENCH_FOLDER"]))
