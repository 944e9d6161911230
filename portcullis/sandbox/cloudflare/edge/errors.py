"""What the edge refuses, and what it cannot do."""

from __future__ import annotations


class EdgeRejected(ValueError):  # noqa: N818 - named as the API names the event: the edge rejected a version
    """A version that cannot run; the message is the runtime's, without secrets, and fit for the uploader."""


class EdgeError(RuntimeError):
    """The edge runtime itself is missing or broken; the message says what to do."""
