"""Opening an uploaded bundle: a zip from outside, read within bounds and without ever touching a file system."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

from portcullis.sandbox.apigee.runtime.elements import BundleError

MAX_ARCHIVE_BYTES = 15 * 1024 * 1024
"""Apigee's own limit for an API proxy bundle."""

MAX_UNPACKED_BYTES = 60 * 1024 * 1024
MAX_ENTRIES = 2000


def unpack(data: bytes) -> dict[str, bytes]:
    """Return path → content of every file in the zip; raises `BundleError`."""
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"the bundle is larger than {MAX_ARCHIVE_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"the bundle is no readable zip file: {type(error).__name__}") from None


def _read(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise BundleError(f"the bundle holds more than {MAX_ENTRIES} files")
    files: dict[str, bytes] = {}
    room = MAX_UNPACKED_BYTES
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise BundleError(f"the bundle holds a file outside of itself: {entry.filename!r}")
        # What the header says of the size is the sender's claim: no more than the room left is ever read.
        with archive.open(entry) as file:
            content = file.read(room + 1)
        room -= len(content)
        if room < 0:
            raise BundleError(f"the bundle unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        files[str(path)] = content
    return files
