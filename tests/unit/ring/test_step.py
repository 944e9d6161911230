"""When the ring moves on: the rows of steps.yaml, and what holds for every history."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from portcullis.ring import Generation, Mode, RingSettingsError, Settings, minimum_period, slots, step

ROWS: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("steps.yaml"))
START = 1_700_000_040
SETTINGS = Settings(period_seconds=3600, token_life_seconds=60, leeway_seconds=10, key_cache_seconds=300)


def seconds(minutes: float) -> float:
    return START + minutes * 60


def generation(row: list[int | None]) -> Generation:
    number, rotated, rotates = row
    assert number is not None
    assert rotates is not None
    return Generation(number, int(seconds(rotates)), None if rotated is None else int(seconds(rotated)))


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_step_does_what_the_table_says(row: dict[str, Any]) -> None:
    settings = replace(SETTINGS, period_seconds=row.get("period", 60) * 60)
    before = None if row["from"] is None else generation(row["from"])
    assert step(before, seconds(row["now"]), settings, row.get("mode", "auto")) == generation(row["to"])


def test_a_period_below_the_minimum_is_refused_instead_of_stepping() -> None:
    with pytest.raises(RingSettingsError, match="I3"):
        step(Generation(3, START, START - 3600), START + 1, replace(SETTINGS, period_seconds=304))


Run = tuple[float, int, Mode]
RUNS = st.lists(
    st.tuples(
        st.floats(min_value=START - 1e6, max_value=START + 1e7),
        st.integers(min_value=305, max_value=10_000),
        st.sampled_from(["auto", "paused"]),
    ),
    min_size=1,
    max_size=40,
)


@given(RUNS)
def test_the_generation_never_decreases_and_never_advances_by_more_than_one(runs: list[Run]) -> None:
    before: Generation | None = None
    for now, period, mode in runs:
        after = step(before, now, replace(SETTINGS, period_seconds=period), mode)
        assert 0 <= after.number - (before.number if before is not None else 0) <= 1
        before = after


@given(RUNS)
def test_two_steps_are_never_closer_than_the_minimum_period(runs: list[Run]) -> None:
    before: Generation | None = None
    stepped_at: float | None = None
    for now, period, mode in runs:
        settings = replace(SETTINGS, period_seconds=period)
        after = step(before, now, settings, mode)
        if before is not None and after.number > before.number:
            assert stepped_at is not None
            assert now - stepped_at >= minimum_period(settings).seconds
        if before is None or after.number > before.number:
            stepped_at = now
        before = after


@given(RUNS)
def test_running_twice_is_running_once(runs: list[Run]) -> None:
    before: Generation | None = None
    for now, period, mode in runs:
        settings = replace(SETTINGS, period_seconds=period)
        before = step(before, now, settings, mode)
        assert step(before, now, settings, mode) == before


@given(RUNS)
def test_the_last_step_can_be_had_from_the_due_time_and_the_period(runs: list[Run]) -> None:
    """What a state holds, generation, due time and period, decides as the whole history does, or a minute later."""
    before: Generation | None = None
    for now, period, mode in runs:
        before = step(before, now, replace(SETTINGS, period_seconds=period), mode)
        assert before.rotated_at is not None
        assert 0 <= before.rotates_at - period - before.rotated_at < 60
        assert before.rotates_at % 60 == 0


@pytest.mark.parametrize(("number", "expected"), [(1, (None, 1, 2)), (2, (1, 2, 3)), (9, (8, 9, 10))])
def test_which_keys_fill_the_slots(number: int, expected: tuple[int | None, int, int]) -> None:
    filled = slots(Generation(number, START))
    assert (filled.previous, filled.current, filled.next) == expected


@given(st.integers(min_value=1, max_value=10**6))
def test_the_key_that_will_sign_was_published_a_whole_generation_before(number: int) -> None:
    assert slots(Generation(number + 1, START)).current == slots(Generation(number, START)).next
    assert slots(Generation(number + 1, START)).previous == slots(Generation(number, START)).current
