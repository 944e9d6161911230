"""What the deployed gateway holds, read from it rather than remembered, and what that says of a ring."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.ring.slots import Ring


@dataclass(frozen=True)
class ReadBack:
    """What was found in the deployed gateway: the `seq` of the Worker's ring, and the kids that it publishes.

    The Worker tells of both tiers: it is given a ring only after Apigee was given the ring's keys and has accepted a
    canary of the key that signs.
    """

    worker_seq: int
    worker_kids: frozenset[str]


class RingConflictError(RuntimeError):
    """The deployed gateway is ahead of this state, or at the same seq with other keys: nothing may be written."""


def refuse_conflict(seq: int, found: ReadBack, kids: frozenset[str] | None = None) -> None:
    """Refuse to write a ring of `seq` over a higher one, or over an equal one of other keys (I7).

    `kids` are the keys of the ring to write, where they are known. Raises RingConflictError, which says what to do.
    """
    if found.worker_seq > seq:
        raise RingConflictError(
            f"the deployed Worker holds the ring at seq {found.worker_seq}, this state is at seq {seq}: an older state"
            " was restored, or another one manages this gateway. Nothing was changed and the gateway serves. Restore"
            " the newest state (`pulumi stack history`, `pulumi stack import`). Where it is lost for good, delete this"
            f" state's RingGeneration (`pulumi state delete`): the next update begins a new ring at seq"
            f" {found.worker_seq + 1}, whose keys Apigee does not know yet: callers are refused for some minutes"
        )
    if found.worker_seq == seq and kids is not None and found.worker_kids != kids:
        raise RingConflictError(
            f"the deployed Worker holds other keys at seq {seq} than this state: two states have moved the ring on."
            " Nothing was changed and the gateway serves. Find the state that the Worker was updated from and use it"
            " alone"
        )


def lag(ring: Ring, found: ReadBack) -> str:
    """How the deployed gateway is behind `ring`, in one line; empty where it is not."""
    if found.worker_seq >= ring.seq:
        return ""
    return (
        f"the Worker is at seq {found.worker_seq}, the ring at {ring.seq}: an update was not finished, or has not"
        " reached every edge location yet; this one finishes it"
    )
