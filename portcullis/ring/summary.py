"""A change of the ring in one sentence, for whoever reads a preview and has never seen one."""

from __future__ import annotations

from portcullis.ring.slots import Ring
from portcullis.ring.step import Decision


def summary(before: Ring | None, decision: Decision) -> str:
    """Say what becomes of which key; empty where nothing changes or the change was held back."""
    ring = decision.ring
    if decision.change == "begun" or before is None:
        return f"new ring: key {ring.current} signs, key {ring.next} is published and waits"
    waits = f"key {ring.next} is published and waits"
    goes = "" if before.previous is None else f"; key {before.previous} is trusted no more"
    if decision.change == "rotated":
        return f"rotation: key {ring.current} signs instead of key {before.current}, {waits}{goes}"
    if decision.change == "promoted":
        return (
            f"key {before.current} is revoked: key {ring.current} signs instead, {waits}; key {before.current} is"
            f" dropped by the first update after the wait{goes}"
        )
    if decision.change == "next replaced":
        return f"key {before.next} is revoked before it ever signed: {waits} in its place"
    if decision.change == "revoked dropped":
        return f"key {before.previous}, which was revoked, is trusted no more"
    return ""
