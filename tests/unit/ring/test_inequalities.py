"""The inequalities, against numbers worked out by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.gateway import ring_settings
from portcullis.contract import load
from portcullis.ring import (
    RingSettingsError,
    Settings,
    check_settings,
    drop_wait,
    exposure,
    inequalities,
    leeway_covers_clocks,
    life_covers_delivery,
    minimum_period,
    publish_before_use,
    retain_after_use,
    reuse_leaves_delivery,
    tolerance,
)

PROJECT = Path(__file__).parents[3]
DAY = 86400
# An edge store of 60 s and an isolate's cache of 30 s (E = 90), a verifier's cache of 300 s behind it (V = 390),
# leeway 30 s, clocks within 5 s.
LONG = Settings(
    DAY,
    300,
    30,
    300,
    clock_error_seconds=5,
    edge_propagation_seconds=60,
    edge_cache_seconds=30,
    apigee_propagation_seconds=90,
    delivery_seconds=20,
    reuse_seconds=100,
)
SHORT = replace(LONG, token_life_seconds=60, reuse_seconds=30)
DEFAULTS = Settings(period_seconds=2 * DAY, token_life_seconds=60, leeway_seconds=10, key_cache_seconds=300)


@pytest.mark.parametrize(
    ("settings", "publish", "retain", "period"),
    [(LONG, 395, 425, 425), (SHORT, 395, 185, 395), (DEFAULTS, 365, 195, 365)],
)
def test_the_worked_numbers(settings: Settings, publish: int, retain: int, period: int) -> None:
    assert publish_before_use(settings).seconds == publish
    assert retain_after_use(settings).seconds == retain
    assert minimum_period(settings).seconds == period


def test_a_day_between_rotations_survives_almost_a_day_of_one_tier_failing() -> None:
    lag = tolerance(LONG)
    assert (lag.apigee_seconds, lag.worker_seconds) == (DAY - 395, DAY - 425)
    assert min(lag.apigee_seconds, lag.worker_seconds) // 60 == 23 * 60 + 52


def test_the_defaults_survive_a_whole_day_of_either_tier_failing() -> None:
    declared = YAML(typ="safe").load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))
    period = declared["config"]["rotationPeriod"]["default"]
    assert period.endswith("h")
    lag = tolerance(ring_settings(load(PROJECT / "gateway.yaml"), int(period[:-1]) * 3600))
    assert min(lag.apigee_seconds, lag.worker_seconds) >= DAY


def test_the_page_of_the_rules_tells_the_numbers_of_the_defaults() -> None:
    page = (PROJECT / "docs" / "ring-rules.md").read_text(encoding="utf-8")
    defaults = ring_settings(load(PROJECT / "gateway.yaml"), 2 * DAY)
    told = [each.bound.numbers for each in inequalities(defaults) if not each.bound.numbers.startswith("max")]
    lag = tolerance(defaults)
    hours = [f"{seconds // 3600} h {seconds % 3600 // 60} min" for seconds in (lag.apigee_seconds, lag.worker_seconds)]
    told += [f"{drop_wait(defaults).seconds} s", f"{exposure(defaults).seconds} s", *hours]
    assert [numbers for numbers in told if numbers not in page] == []


def test_a_bound_names_its_inequality_and_its_numbers() -> None:
    bound = minimum_period(LONG)
    assert bound.inequality == "I3, R >= R_min = max(V + d, E + L + lam + d)"
    assert "V (90 + 300) + d 5 = 395 s" in bound.numbers
    assert "E (60 + 30) + L 300 + lam 30 + d 5 = 425 s" in bound.numbers
    assert str(bound) == f"{bound.inequality}: {bound.numbers}"


def test_every_inequality_that_has_numbers_is_told_with_them() -> None:
    told = {str(each.bound).split(":", maxsplit=1)[0]: each for each in inequalities(LONG)}
    assert list(told) == [
        "I1, t_use(next) - t_pub(next) >= V + d",
        "I2, t_drop - t_stop >= E + L + lam + d",
        "I3, R >= R_min = max(V + d, E + L + lam + d)",
        "I4, lam >= 2d",
        "I4, L >= F + 2d",
        "I4, U <= L - F - 2d",
    ]
    assert all(each.holds for each in told.values())
    assert [(each.given, each.bound.seconds) for each in told.values()] == [
        (DAY, 395),
        (DAY, 425),
        (DAY, 425),
        (30, 10),
        (300, 30),
        (100, 270),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"period_seconds": 424}, ["period of 424 s breaks I3", "the smallest value that holds is 425 s"]),
        ({"period_seconds": 394}, ["signs of 394 s breaks I1", "signed of 394 s breaks I2", "394 s breaks I3"]),
        ({"leeway_seconds": 9}, ["leeway for the internal token of 9 s breaks I4, lam >= 2d", "holds is 10 s"]),
        ({"token_life_seconds": 29}, ["life of the internal token of 29 s breaks I4, L >= F + 2d", "holds is 30 s"]),
        (
            {"reuse_seconds": 271},
            ["reuse of an internal token of 271 s breaks I4, U <=", "largest value that holds is 270"],
        ),
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


def test_clocks_delivery_and_reuse() -> None:
    assert leeway_covers_clocks(DEFAULTS).seconds == 10
    assert life_covers_delivery(20, 5).seconds == 30
    assert reuse_leaves_delivery(LONG).seconds == 300 - 20 - 10


def test_a_revoked_key_is_waited_for_no_longer_than_a_retired_one() -> None:
    for settings in (LONG, SHORT, DEFAULTS):
        assert drop_wait(settings).seconds <= retain_after_use(settings).seconds
    assert drop_wait(SHORT).seconds == 90 + 30 + 20
    assert str(exposure(SHORT)) == (
        "update + E + update + d + 60 + (E + U + F) + update + V:"
        " 120 + 90 + 185 + (E 90 + U 30 + F 20 = 140 s) + 120 + 390 = 1045 s"
    )
