"""The inequalities, against numbers worked out by hand."""

from dataclasses import replace

import pytest

from portcullis.ring import (
    RingSettingsError,
    Settings,
    check_settings,
    leeway_covers_clocks,
    life_covers_delivery,
    minimum_period,
    publish_before_use,
    retain_after_use,
    tolerance,
)

# An edge store of 60 s and an isolate's cache of 30 s (E = 90), a verifier's cache of 300 s behind it (V = 390),
# leeway 30 s, clocks within 5 s.
LONG = Settings(86400, 300, 30, 390, clock_error_seconds=5, edge_propagation_seconds=90)
SHORT = replace(LONG, token_life_seconds=60)
DEFAULTS = Settings(period_seconds=86400, token_life_seconds=60, leeway_seconds=10, key_cache_seconds=300)


@pytest.mark.parametrize(
    ("settings", "publish", "retain", "period"),
    [(LONG, 395, 425, 425), (SHORT, 395, 185, 395), (DEFAULTS, 305, 195, 305)],
)
def test_the_worked_numbers(settings: Settings, publish: int, retain: int, period: int) -> None:
    assert publish_before_use(settings).seconds == publish
    assert retain_after_use(settings).seconds == retain
    assert minimum_period(settings).seconds == period


def test_a_day_between_rotations_survives_almost_a_day_of_one_tier_failing() -> None:
    lag = tolerance(LONG)
    assert (lag.apigee_seconds, lag.worker_seconds) == (86400 - 395, 86400 - 425)
    assert min(lag.apigee_seconds, lag.worker_seconds) // 60 == 23 * 60 + 52


def test_a_bound_names_its_inequality_and_its_numbers() -> None:
    bound = minimum_period(LONG)
    assert bound.inequality == "I3, R >= R_min = max(V + d, E + L + lam + d)"
    assert "V 390 + d 5 = 395 s" in bound.numbers
    assert "E 90 + L 300 + lam 30 + d 5 = 425 s" in bound.numbers
    assert str(bound) == f"{bound.inequality}: {bound.numbers}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"period_seconds": 424}, ["period of 424 s breaks I3", "the smallest value that holds is 425 s"]),
        ({"leeway_seconds": 9}, ["leeway for the internal token of 9 s breaks I4, lam >= 2d", "holds is 10 s"]),
        ({"token_life_seconds": 9}, ["life of the internal token of 9 s breaks I4", "holds is 10 s"]),
        ({"period_seconds": 100, "leeway_seconds": 9}, ["I3", "I4, lam >= 2d"]),
        ({"period_seconds": 0}, ["period_seconds is 0; the smallest value that holds is 1"]),
        ({"clock_error_seconds": -1}, ["clock_error_seconds is -1; the smallest value that holds is 0"]),
        ({"edge_propagation_seconds": -1}, ["edge_propagation_seconds is -1"]),
        ({"key_cache_seconds": -1}, ["key_cache_seconds is -1"]),
    ],
)
def test_settings_that_break_an_inequality_are_refused(change: dict[str, int], says: list[str]) -> None:
    with pytest.raises(RingSettingsError) as refusal:
        check_settings(replace(LONG, **change))
    for fragment in says:
        assert fragment in str(refusal.value)


@pytest.mark.parametrize("settings", [LONG, SHORT, DEFAULTS])
def test_the_smallest_value_that_is_named_is_accepted_and_one_less_is_not(settings: Settings) -> None:
    least = minimum_period(settings).seconds
    check_settings(replace(settings, period_seconds=least))
    with pytest.raises(RingSettingsError):
        check_settings(replace(settings, period_seconds=least - 1))


def test_clocks_and_delivery() -> None:
    assert leeway_covers_clocks(DEFAULTS).seconds == 10
    assert life_covers_delivery(20, 5).seconds == 30
