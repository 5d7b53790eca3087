"""An export pulls the images by the digests that compose.yaml has."""

from __future__ import annotations

import pytest

from offbeat.deployment.pins import pin_image

DIGEST = "sha256:" + "0a" * 32
IMAGE = "docker.io/library/postgres:17"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"services:\n  postgres:\n    image: {IMAGE}@{DIGEST}\n", f"{IMAGE}@{DIGEST}"),
        (f"services:\n  postgres:\n    image: {IMAGE}.4@{DIGEST}\n", IMAGE),
        (f"services:\n  postgres:\n    image: {IMAGE}@{DIGEST}00\n", IMAGE),
        (f"services:\n  postgres:\n    image: {IMAGE}\n", IMAGE),
        (None, IMAGE),
    ],
    ids=["pinned", "another tag", "no digest", "not pinned", "no compose.yaml"],
)
def test_digest(tmp_path, text, expected):
    """The digest is that of the same name and tag; without one the image is pulled by its tag."""
    if text is not None:
        (tmp_path / "compose.yaml").write_text(text)

    assert pin_image(IMAGE, tmp_path) == expected
