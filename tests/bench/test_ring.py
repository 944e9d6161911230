"""The ring in simulation: no request refused where the rules are kept, and refusals found where one is broken."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ring.broken import BROKEN, Broken
from bench.ring.scenarios import SCENARIOS, everything
from bench.ring.simulation import Scenario, simulate
from portcullis.ring import Settings, check_settings, minimum_period

# The proof is `python -m bench.ring`; these are as many requests as show that it works.
FEW = 3_000
ENOUGH = 10_000
"""For a rule whose break shows in a few of them only."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_caller_notices(scenario: Scenario) -> None:
    outcome = simulate(scenario, seed=7, requests=FEW)
    assert outcome.requests == FEW
    assert outcome.rotations > 0
    assert dict(outcome.refusals) == {}
    assert outcome.exposed == 0


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.rule}: {broken.how}")
def test_a_broken_rule_is_found(broken: Broken) -> None:
    assert simulate(broken.kept, seed=7, requests=FEW).refused == 0
    assert simulate(broken.broken, seed=7, requests=ENOUGH).refused > 0


def test_the_same_seed_gives_the_same_figures() -> None:
    first, again, other = (simulate(SCENARIOS[-1], seed, FEW) for seed in (1, 1, 2))
    assert first == again
    assert first.updates != other.updates


@st.composite
def tight_settings(draw: st.DrawFn) -> Settings:
    """Settings with the shortest period that their lifetimes allow."""
    clock_error = draw(st.integers(0, 20))
    delivery = draw(st.integers(1, 60))
    reuse = draw(st.integers(0, 120))
    drawn = Settings(
        period_seconds=10**6,
        token_life_seconds=delivery + reuse + 2 * clock_error + draw(st.integers(0, 200)) or 1,
        leeway_seconds=2 * clock_error + draw(st.integers(0, 30)),
        key_cache_seconds=draw(st.integers(0, 600)),
        clock_error_seconds=clock_error,
        edge_propagation_seconds=draw(st.integers(0, 300)),
        edge_cache_seconds=draw(st.integers(0, 60)),
        apigee_propagation_seconds=draw(st.integers(0, 120)),
        delivery_seconds=delivery,
        reuse_seconds=reuse,
        update_seconds=draw(st.integers(1, 300)),
    )
    found = replace(drawn, period_seconds=minimum_period(drawn).seconds)
    check_settings(found)
    return found


@given(tight_settings(), st.integers(0, 2**32))
@settings(max_examples=20)
def test_no_caller_notices_whatever_the_lifetimes_are_and_whatever_happens(lifetimes: Settings, seed: int) -> None:
    outcome = simulate(Scenario("anything", everything, lifetimes, periods=30), seed, requests=2_000)
    assert dict(outcome.refusals) == {}
