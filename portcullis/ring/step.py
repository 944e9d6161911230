"""The step: what one update does to the ring. A pure decision from where it stands, the time and what was read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from portcullis.ring.emergency import (
    RevocationTooSoonError,
    drop_due,
    drop_previous,
    promote_next,
    refuse_unknown,
    replace_next,
)
from portcullis.ring.inequalities import check_settings, minimum_period
from portcullis.ring.read_back import ReadBack, lag, refuse_conflict
from portcullis.ring.settings import Settings
from portcullis.ring.slots import Ring, advance, begin, due, earliest, unsettled

Mode: TypeAlias = Literal["auto", "paused"]
Change: TypeAlias = Literal["begun", "none", "rotated", "promoted", "next replaced", "revoked dropped", "held"]


@dataclass(frozen=True)
class Decision:
    """The ring after an update, how that changes it, and where something was `held` back: why, and what to do."""

    ring: Ring
    change: Change
    held: str = ""


def decide(
    ring: Ring | None,
    now: float,
    settings: Settings,
    *,
    mode: Mode = "auto",
    revoke: int | None = None,
    found: ReadBack | None = None,
    unread: str = "",
) -> Decision:
    """Decide what an update at `now` (seconds since the epoch) does to the ring: at most one change.

    - Never more than one slot, however late (I8): a missed run is no reason to skip the wait of `next`. The slot is
      never computed from the clock: the next due time is now + period, so lateness moves all that follow.
    - Not before R_min after the ring was settled (I3, I8), whatever the period was then; a clock that went backwards
      changes nothing.
    - `paused` holds a scheduled step, and neither a revocation nor its second half. Being overdue stops nothing from
      signing (I11).
    - `revoke` is the number of a compromised key. Where it is in no slot any more there is nothing to do, so the
      setting may stay.
    - `found` is what was read back of the deployed gateway. Where it is behind, no step is taken and the wait begins
      again (the update itself brings it up); where it is ahead, the state is old and nothing may be written (I7).
      None where nothing was read: the decision then trusts the state.
    - `unread` says why a deployed gateway could not be read, if so: a scheduled step waits until it can be (I8), and so
      does the end of a revocation. Its beginning does not: what it promotes was trusted when the state was written.

    Raises RingSettingsError where the settings break an inequality, RingConflictError for an older state,
    RevocationError for a revocation that is not possible, or not yet.
    """
    check_settings(settings)
    if ring is None:
        return Decision(begin(now, settings, found.worker_seq if found is not None else 0), "begun")
    ring = _checked(ring, revoke, found)
    behind = lag(ring, found) if found is not None else ""
    if revoke == ring.next:
        return Decision(replace_next(ring, now, settings), "next replaced", behind)
    if behind:
        return Decision(unsettled(ring, now, settings), "held", behind)
    change = _due_change(ring, now, settings, mode, revoke)
    if unread and change in ("rotated", "revoked dropped"):
        return Decision(ring, "held", unread)
    if change == "rotated":
        ring = advance(ring, now, settings)
    elif change == "promoted":
        ring = promote_next(ring, now, settings)
    elif change == "revoked dropped":
        ring = drop_previous(ring)
    return Decision(ring, change)


def _due_change(
    ring: Ring, now: float, settings: Settings, mode: Mode, revoke: int | None
) -> Literal["promoted", "revoked dropped", "rotated", "none"]:
    """The most urgent change that is due. Raises RevocationTooSoonError where a revocation is all that there is."""
    dropping = drop_due(ring, settings)
    if revoke == ring.current and now >= earliest(ring, settings):
        return "promoted"
    if dropping is not None and now >= dropping:
        return "revoked dropped"
    if revoke == ring.current:
        raise RevocationTooSoonError(ring.current, earliest(ring, settings), minimum_period(settings))
    return "rotated" if mode == "auto" and now >= due(ring, settings) else "none"


def _checked(ring: Ring, revoke: int | None, found: ReadBack | None) -> Ring:
    """Refuse what may not be, and mark a previous key that is revoked."""
    if found is not None:
        refuse_conflict(ring.seq, found)
    if revoke is None:
        return ring
    refuse_unknown(ring, revoke)
    return replace(ring, revoked=revoke) if revoke == ring.previous else ring
