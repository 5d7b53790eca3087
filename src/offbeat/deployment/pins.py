"""The digests of images, as the project's compose.yaml has them: the one place where a tool renews them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offbeat.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PINNED = r"{image}@sha256:[0-9a-f]{{64}}(?!\w)"


def pin_image(image: str, root: Path | None = None) -> str:
    """Return an image, which has a tag, with the digest that compose.yaml pulls it by; as it is where there is none."""
    try:
        text = ((root or ROOT) / "compose.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return image
    found = re.search(PINNED.format(image=re.escape(image)), text)
    return found[0] if found else image
