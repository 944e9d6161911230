"""What goes wrong in a way that the user can mend."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot go on; the message says why and what to do, and holds nothing secret."""
