"""Rotation by the real engine while callers call: cut off, rerun, restored from an older state, revoked.

A short run of what `python -m bench.rotation` does at length.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from bench.rotation import Settings, killed
from bench.rotation_world import Callers, Stack, wait_until
from tests.e2e.checkout import Checkout

SETTINGS = Settings(rotations=1, kills=range(4, 5))
"""The fourth resource of a rotation is the new key's entry in Apigee, which cannot be made twice."""

PAUSE_SECONDS = 2.0
"""So few calls that no quota of the contract is in the way."""


@pytest.fixture(scope="module")
def stack(provisioned: Checkout) -> Stack:
    return Stack(provisioned)


@pytest.fixture
def callers(stack: Stack) -> Iterator[Callers]:
    """Callers who call while a test runs, and notice nothing."""
    calling = Callers(stack.gateway, stack.checkout.portcullis("token")["token"], 1, PAUSE_SECONDS)
    with calling.calling():
        wait_until(lambda: calling.requests)
        yield calling
        stack.learn_private_values()
        done = calling.requests
        wait_until(lambda: calling.requests > done + 1)
    assert dict(calling.statuses) == {"200": calling.requests}


@pytest.mark.usefixtures("callers")
def test_a_rotation_that_was_killed_is_finished_by_the_next_run(stack: Stack) -> None:
    killed(stack, SETTINGS, random.Random(1))
    ring = stack.portcullis("ring")[1]
    assert (ring["due"], ring["alarms"]) == (False, [])


@pytest.mark.usefixtures("callers")
def test_a_revoked_next_key_is_replaced_and_a_current_one_has_to_wait_for_it(stack: Stack) -> None:
    before = stack.portcullis("ring")[1]
    code, document = stack.portcullis("revoke", "next")
    assert (code, document["outcome"], document["key"]) == (10, "rotated", before["slots"]["next"]["number"])
    code, document = stack.portcullis("revoke", "current")
    assert (code, document["outcome"]) == (20, "stopped")
    assert "cannot be revoked before" in document["reason"]
    after = stack.portcullis("ring")[1]
    assert after["current_kid"] == before["current_kid"]
    assert after["slots"]["next"]["kid"] not in before["published_kids"]
    settings = (stack.checkout.root / "Pulumi.local.yaml").read_text(encoding="utf-8")
    assert f'portcullis:revoke: "{before["slots"]["next"]["number"]}"' in settings


def test_nothing_private_was_printed_logged_or_stored_in_the_clear(stack: Stack) -> None:
    stack.learn_private_values()
    assert len(stack.private) > 4
    assert stack.leaks(stack.checkout.portcullis("token")["token"]) == []


def test_a_change_that_is_not_the_rings_stops_the_rotation_until_it_is_gone(stack: Stack) -> None:
    overlay = stack.checkout.root / "gateway.local.yaml"
    overlay.write_text("products: {orders: {quota: {requests: 121}}}\n", encoding="utf-8")
    stack.advance("25h")
    try:
        code, document = stack.portcullis("rotate")
    finally:
        overlay.unlink()
    assert (code, document["outcome"]) == (20, "stopped")
    assert "update ApiProduct gateway-apigee-product-orders" in document["changes"]
    code, document = stack.portcullis("rotate")
    assert (code, document["outcome"]) == (10, "rotated")
