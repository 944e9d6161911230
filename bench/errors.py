"""What keeps a benchmark from saying anything."""

from __future__ import annotations


class BenchError(RuntimeError):
    """The numbers would mean nothing, or cannot be had; the message says why and what to do."""
