"""What an update does to the ring: the rows of steps.yaml, and what holds for every history."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from portcullis.ring import (
    Decision,
    Mode,
    ReadBack,
    RevocationError,
    Ring,
    RingConflictError,
    RingSettingsError,
    Settings,
    decide,
    due,
    is_new,
    minimum_period,
    overdue_seconds,
    refuse_conflict,
    summary,
)

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("steps.yaml"))
START = 1_700_000_040
SETTINGS = Settings(
    period_seconds=3600,
    token_life_seconds=60,
    leeway_seconds=10,
    key_cache_seconds=300,
    clock_error_seconds=0,
    delivery_seconds=30,
    update_seconds=0,
)


def seconds(minutes: float) -> float:
    return START + minutes * 60


def ring(row: list[int | None] | None) -> Ring | None:
    if row is None:
        return None
    seq, previous, current, following, rotated, settled = row[:6]
    assert seq is not None
    assert current is not None
    assert following is not None
    assert rotated is not None
    assert settled is not None
    return Ring(
        seq,
        current,
        following,
        previous,
        int(seconds(rotated)),
        int(seconds(settled)),
        row[6] if len(row) > 6 else None,
    )


def read_back(seq: int | None) -> ReadBack | None:
    return None if seq is None else ReadBack(seq, frozenset({"a", "b", "c"}))


def decided(row: dict[str, Any]) -> Decision:
    return decide(
        ring(row["from"]),
        seconds(row["now"]),
        replace(SETTINGS, period_seconds=row.get("period", 60) * 60, update_seconds=row.get("update", 0) * 60),
        mode=row.get("mode", "auto"),
        revoke=row.get("revoke"),
        found=read_back(row.get("found")),
        unread=row.get("unread", ""),
    )


@pytest.mark.parametrize("row", [row for row in ROWS if "to" in row], ids=lambda row: row["name"])
def test_the_step_does_what_the_table_says(row: dict[str, Any]) -> None:
    decision = decided(row)
    assert decision.ring == ring(row["to"])
    assert decision.change == row["change"]
    assert row.get("held", "") in decision.held
    assert bool(decision.held) == ("held" in row)


@pytest.mark.parametrize("row", [row for row in ROWS if "refused" in row], ids=lambda row: row["name"])
def test_what_may_not_be_is_refused_with_what_to_do(row: dict[str, Any]) -> None:
    with pytest.raises((RevocationError, RingConflictError)) as refusal:
        decided(row)
    assert row["refused"] in str(refusal.value)


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("change") in ("rotated", "promoted")])
def test_the_summary_of_a_step_names_every_key_and_what_becomes_of_it(row: dict[str, Any]) -> None:
    before, decision = ring(row["from"]), decided(row)
    assert before is not None
    told = summary(before, decision)
    keys = (before.previous, before.current, decision.ring.current, decision.ring.next)
    assert all(f"key {number}" in told for number in keys if number is not None)


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("change") in ("none", "held")])
def test_where_nothing_moves_there_is_nothing_to_tell(row: dict[str, Any]) -> None:
    assert summary(ring(row["from"]), decided(row)) == ""


def test_a_period_below_the_minimum_is_refused_instead_of_stepping() -> None:
    with pytest.raises(RingSettingsError, match="I3"):
        decide(ring([3, 2, 3, 4, 0, 0]), seconds(60), replace(SETTINGS, period_seconds=359))


def test_the_due_time_follows_the_period_as_it_is_set_today() -> None:
    stands = ring([3, 2, 3, 4, 0, 0])
    assert stands is not None
    assert due(stands, SETTINGS) == seconds(60)
    assert due(stands, replace(SETTINGS, period_seconds=1200)) == seconds(20)
    assert overdue_seconds(stands, SETTINGS, seconds(59)) == 0
    assert overdue_seconds(stands, SETTINGS, seconds(61)) == 60


Run = tuple[float, int, Mode, int | None, int]
RUNS = st.lists(
    st.tuples(
        st.floats(min_value=START - 1e6, max_value=START + 1e7),
        st.integers(min_value=360, max_value=10_000),
        st.sampled_from(["auto", "paused"]),
        # Which slot is revoked: none mostly.
        st.sampled_from([None, None, None, -1, 0, 1]),
        # How far the Worker is behind.
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    min_size=1,
    max_size=40,
)


def follow(runs: list[Run]) -> list[tuple[Ring | None, Decision, float, Settings]]:
    """What each run decided; a run that is refused changes nothing."""
    before: Ring | None = None
    history: list[tuple[Ring | None, Decision, float, Settings]] = []
    for now, period, mode, slot, behind in runs:
        settings = replace(SETTINGS, period_seconds=period)
        revoke = None if slot is None or before is None else max(1, before.current + slot)
        found = None if before is None else read_back(max(0, before.seq - behind))
        try:
            decision = decide(before, now, settings, mode=mode, revoke=revoke, found=found)
        except RevocationError:
            continue
        history.append((before, decision, now, settings))
        before = decision.ring
    return history


@given(RUNS)
def test_seq_grows_by_one_where_the_slots_change_and_stands_where_they_do_not(runs: list[Run]) -> None:
    for before, decision, _, _ in follow(runs):
        if before is not None:
            changed = before.published != decision.ring.published
            assert decision.ring.seq == before.seq + int(changed)


@given(RUNS)
def test_no_key_signs_that_was_not_the_next_one_since_r_min(runs: list[Run]) -> None:
    published: dict[int, float] = {}
    settled: float | None = None
    for before, decision, now, settings in follow(runs):
        if before is not None and decision.ring.current != before.current:
            assert decision.ring.current == before.next
            assert now - published[decision.ring.current] >= minimum_period(settings).seconds
            assert settled is None or now - settled >= minimum_period(settings).seconds
        if decision.ring.next not in published:
            published[decision.ring.next] = now
        if decision.held or before is None or decision.ring.current != before.current:
            # Nothing before this run is known to have been in force in both tiers.
            settled = max(now, settled if settled is not None else now)


@given(RUNS)
def test_a_ring_is_new_before_its_first_step_alone(runs: list[Run]) -> None:
    for before, decision, _, _ in follow(runs):
        signed_before = before is not None and decision.ring.current != 1
        if signed_before:
            assert not is_new(decision.ring.seq, decision.ring.previous, decision.ring.current)
        if decision.change == "begun":
            assert is_new(decision.ring.seq, decision.ring.previous, decision.ring.current)


@given(RUNS)
def test_no_key_is_published_twice_and_none_is_dropped_while_it_signs(runs: list[Run]) -> None:
    gone: set[int] = set()
    for before, decision, _, _ in follow(runs):
        assert not gone & set(decision.ring.published)
        if before is not None:
            left = set(before.published) - set(decision.ring.published)
            assert before.current not in left
            gone |= left


@given(RUNS)
def test_running_twice_is_running_once(runs: list[Run]) -> None:
    for before, decision, now, settings in follow(runs):
        if before is not None and decision.change == "rotated":
            assert decide(decision.ring, now, settings).change == "none"


def test_a_ring_of_the_same_seq_and_other_keys_is_refused() -> None:
    found = ReadBack(3, frozenset({"a", "b"}))
    refuse_conflict(3, found, frozenset({"a", "b"}))
    refuse_conflict(4, found, frozenset({"b", "c"}))
    with pytest.raises(RingConflictError, match="other keys at seq 3"):
        refuse_conflict(3, found, frozenset({"a", "c"}))
    with pytest.raises(RingConflictError, match="seq 3, this state is at seq 2"):
        refuse_conflict(2, found, found.worker_kids)
