"""The project's site, with the cronjobs of the benchmark."""

import os
from pathlib import Path

from bench.ops import read_platform
from config.wsgi import application

__all__ = ["application"]

read_platform(Path(os.environ["BENCH_FOLDER"]))
