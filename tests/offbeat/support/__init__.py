"""What tests of real processes need. A plugin of pytest is imported before pytest makes the path."""

import sys
from pathlib import Path

SRC = str(Path(__file__).resolve().parents[3] / "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)
