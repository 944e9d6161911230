"""The emergency: a key is compromised. What is done at once, what after a wait, and the bound on the whole.

- `current`: promote `next`, which everybody trusts already; the revoked key stays trusted until no request carries a
  token of it any more, then it is dropped.
- `next`: replace it; nobody has signed with it, so no caller notices.
- `previous`: drop it, once no request carries a token of it any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from portcullis.ring.inequalities import Bound
from portcullis.ring.settings import Settings
from portcullis.ring.slots import MINUTE, Ring, advance, unsettled


class RevocationError(ValueError):
    """The key cannot be revoked, or not yet; the message says when, or which keys there are."""


class RevocationTooSoonError(RevocationError):
    """Promoting `next` now would refuse callers. `possible_at` is when it will not, in seconds since the epoch."""

    def __init__(self, number: int, possible_at: int, wait: Bound) -> None:
        moment = datetime.fromtimestamp(possible_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        super().__init__(
            f"key {number} cannot be revoked before {moment}: the ring changed less than R_min = {wait.seconds} s ago,"
            " so that the key that would sign instead may not be trusted everywhere yet (I8). Nothing was changed; run"
            " this again then"
        )
        self.possible_at = possible_at


def drop_wait(settings: Settings) -> Bound:
    """How long a revoked key stays trusted after the promotion: E + U + F, so that no request is refused.

    After E every edge node signs with the promoted key; what was signed before is on its way for F, or used again
    for U, at most. That is never longer than I2 asks, since U + F <= L - 2d (I4).
    """
    edge, reuse, delivery = settings.edge_delay_seconds, settings.reuse_seconds, settings.delivery_seconds
    needed = edge + reuse + delivery
    return Bound(needed, "E + U + F", f"E {edge} + U {reuse} + F {delivery} = {needed} s")


def exposure(settings: Settings) -> Bound:
    """How long after the promotion Apigee may accept a token of the revoked key, where it is dropped when that is due.

    The update that promotes; E, within which another update may still find a node at the old ring, so that the wait
    begins again with that one and the rounding of its time; the wait; the update that drops; and V until every Apigee
    node has forgotten the key.
    """
    edge, update, verifiers = settings.edge_delay_seconds, settings.update_seconds, settings.verifier_delay_seconds
    again = update + settings.clock_error_seconds + MINUTE
    wait = drop_wait(settings)
    needed = update + edge + again + wait.seconds + update + verifiers
    return Bound(
        needed,
        "update + E + update + d + 60 + (E + U + F) + update + V",
        f"{update} + {edge} + {again} + ({wait.numbers}) + {update} + {verifiers} = {needed} s",
    )


def drop_due(ring: Ring, settings: Settings) -> int | None:
    """When the revoked key in the previous slot is to be dropped, in seconds since the epoch; None where none is."""
    if ring.revoked is None or ring.revoked != ring.previous:
        return None
    return ring.settled_at + drop_wait(settings).seconds


def refuse_unknown(ring: Ring, number: int) -> None:
    """Raises RevocationError for a key that was never made."""
    if not 1 <= number <= ring.next:
        held = ", ".join(str(key) for key in ring.published)
        raise RevocationError(
            f"there is no key {number} to revoke: the ring holds the keys {held}. Set portcullis:revoke to one of them,"
            " or `pulumi config rm portcullis:revoke`"
        )


def promote_next(ring: Ring, now: float, settings: Settings) -> Ring:
    """`current` is compromised: `next` signs from now on. For a time that is not before `earliest`."""
    return replace(advance(ring, now, settings), revoked=ring.current)


def replace_next(ring: Ring, now: float, settings: Settings) -> Ring:
    """`next` is compromised: a new key takes its place, and waits from now on as it did."""
    return replace(unsettled(ring, now, settings), seq=ring.seq + 1, next=ring.next + 1)


def drop_previous(ring: Ring) -> Ring:
    """The revoked key is trusted no more."""
    return replace(ring, seq=ring.seq + 1, previous=None, revoked=None)
