"""What a program builds for the clouds to take: files whose names hold the digest of their content.

A provider is given a path and reads the file when it likes, in a refresh too. With the digest in the name a path in
the state always means the content that was deployed, whatever a later preview has built beside it.
"""

import hashlib
from pathlib import Path

DIGEST_LENGTH = 12


def write_artifact(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write `folder/stem-DIGEST.suffix` and return its path, relative where `folder` is."""
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    path = folder / f"{stem}-{digest}.{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
