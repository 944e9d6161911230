"""The ring's dynamic resources: the step in `check`, keys that are made once, and what goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from components import clock
from components.clock import CLOCK_FILE_VARIABLE, ClockError
from components.random_secret import RandomSecretProvider
from components.ring_resources import PublishedKeyProvider, RingGenerationProvider, SigningKeyProvider
from portcullis.deployed import EdgeReport, NoAnswerError

HOUR = 3600
SETTINGS: dict[str, Any] = {
    # As they come back from the engine: floats.
    "period_seconds": 24.0 * HOUR,
    "token_life_seconds": 60.0,
    "leeway_seconds": 10.0,
    "clock_error_seconds": 5.0,
    "edge_propagation_seconds": 120.0,
    "edge_cache_seconds": 0.0,
    "apigee_propagation_seconds": 60.0,
    "key_cache_seconds": 300.0,
    "delivery_seconds": 20.0,
    "reuse_seconds": 0.0,
    "update_seconds": 120.0,
    "mode": "auto",
    "revoke": 0.0,
    # What the program always says; `check` puts in where the ring stands.
    "generation": 1.0,
    "rotated_at": "",
    "rotates_at": "",
}


class MovedClock:
    """The clock file that the provider's process reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def move(self, seconds: float) -> None:
        self._path.write_text(json.dumps({"offset_seconds": seconds}), encoding="utf-8")


@pytest.fixture
def moved_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock.json"))
    return MovedClock(tmp_path / "clock.json")


def _check(olds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    checked = RingGenerationProvider().check(olds, {**SETTINGS, **changes})
    assert not checked.failures, checked.failures
    return checked.inputs


def test_a_new_ring_begins_at_generation_1_and_is_due_a_period_later(moved_clock: MovedClock) -> None:
    inputs = _check({})
    assert inputs["generation"] == 1
    assert inputs["rotates_at"] > inputs["rotated_at"]


def test_nothing_changes_before_the_due_time(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(23 * HOUR)
    assert _check(first) == first


def test_a_due_ring_steps_by_one_however_late(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(10 * 24 * HOUR)
    second = _check(first)
    assert second["generation"] == 2
    assert second["rotates_at"] > first["rotates_at"]


def test_a_paused_ring_stays_where_it_is(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(25 * HOUR)
    assert _check(first, mode="paused")["generation"] == 1


def test_a_clock_that_goes_back_changes_nothing(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(-100 * HOUR)
    assert _check(first) == first


def test_a_preview_and_the_update_after_it_decide_the_same(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(25 * HOUR)
    assert _check(first)["generation"] == _check(first)["generation"] == 2


def test_a_period_below_the_bound_is_a_check_failure_that_names_it() -> None:
    checked = RingGenerationProvider().check({}, {**SETTINGS, "period_seconds": 60.0})
    assert [failure.property for failure in checked.failures] == ["period_seconds"]
    assert "R_min" in checked.failures[0].reason
    assert "portcullis:rotationPeriod" in checked.failures[0].reason


def test_a_due_step_tells_what_it_does(moved_clock: MovedClock) -> None:
    first = _check({})
    assert first["last_change"] == "new ring: key 1 signs, key 2 is published and waits"
    moved_clock.move(25 * HOUR)
    second = _check(first)
    assert second["last_change"] == "rotation: key 2 signs instead of key 1, key 3 is published and waits"
    assert [second[slot] for slot in ("previous", "current", "next")] == [1, 2, 3]
    assert _check(second)["last_change"] == second["last_change"]


def test_a_revoked_key_is_promoted_away_and_then_dropped(moved_clock: MovedClock) -> None:
    first = _check({})
    moved_clock.move(HOUR)
    promoted = _check(first, revoke=1.0)
    assert [promoted[slot] for slot in ("previous", "current", "next", "revoked")] == [1, 2, 3, 1]
    assert promoted["drops_at"] > promoted["rotated_at"]
    moved_clock.move(HOUR + 420)
    dropped = _check(promoted, revoke=1.0)
    assert [dropped[slot] for slot in ("generation", "previous", "current", "next", "revoked")] == [3, 0, 2, 3, 0]
    assert dropped["drops_at"] == ""
    assert _check(dropped, revoke=1.0) == dropped


def test_an_emergency_too_soon_is_a_check_failure_of_the_setting(moved_clock: MovedClock) -> None:
    checked = RingGenerationProvider().check(_check({}), {**SETTINGS, "revoke": 1.0})
    assert [failure.property for failure in checked.failures] == ["revoke"]
    assert "key 1 cannot be revoked before" in checked.failures[0].reason


@pytest.fixture
def worker_seq(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seq that the deployed Worker answers with, where it answers at all."""
    seq: list[int] = []

    def answer(url: str) -> EdgeReport:
        if not seq:
            raise NoAnswerError(f"{url} does not answer")
        return EdgeReport("v1", seq[0], ("a", "b"))

    monkeypatch.setattr("components.read_back.read_edge", answer)
    return seq


URL = {"gateway_url": "https://api.acme.example"}


def test_a_worker_that_is_behind_holds_the_step_and_says_why(moved_clock: MovedClock, worker_seq: list[int]) -> None:
    worker_seq.append(1)
    first = {**_check({}), "generation": 2.0, "current": 2.0, "next": 3.0, "previous": 1.0}
    moved_clock.move(25 * HOUR)
    held = _check(first, **URL)
    assert held["generation"] == 2
    assert held["settled_at"] > first["settled_at"]
    assert "the Worker is at seq 1, the ring at 2" in held["held"]


def test_a_gateway_that_does_not_answer_holds_the_step_and_says_so(
    moved_clock: MovedClock, worker_seq: list[int]
) -> None:
    first = _check({}, **URL)
    moved_clock.move(25 * HOUR)
    held = _check(first, **URL)
    assert held["generation"] == 1
    assert "https://api.acme.example does not answer" in held["held"]
    worker_seq.append(1)
    assert _check(held, **URL)["generation"] == 2


def test_a_restored_older_state_is_a_check_failure_that_says_what_to_do(
    moved_clock: MovedClock, worker_seq: list[int]
) -> None:
    worker_seq.append(9)
    checked = RingGenerationProvider().check({**SETTINGS, **_check({}), "generation": 7.0}, {**SETTINGS, **URL})
    assert [failure.property for failure in checked.failures] == ["generation"]
    assert "Restore the newest state" in checked.failures[0].reason


def test_a_lost_state_begins_after_what_is_deployed(moved_clock: MovedClock, worker_seq: list[int]) -> None:
    worker_seq.append(9)
    assert _check({}, **URL)["generation"] == 10


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"offset": 1}', '{"offset_seconds": "soon"}'])
def test_a_clock_file_that_is_none_is_refused_with_what_to_write(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clock.json").write_text(content, encoding="utf-8")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock.json"))
    with pytest.raises(ClockError, match="offset_seconds"):
        clock.now()


def test_each_signing_key_is_new_and_named_by_its_thumbprint() -> None:
    made = [SigningKeyProvider().create({"number": 1.0, "algorithm": "ES256"}) for _ in range(2)]
    assert made[0].id != made[1].id
    for key in made:
        assert key.outs
        assert json.loads(key.outs["public_jwk"])["kid"] == key.outs["kid"] == key.id
        assert "d" not in json.loads(key.outs["public_jwk"])
        assert json.loads(key.outs["private_jwk"])["d"]


def test_a_key_that_is_to_sign_at_once_is_never_made() -> None:
    props = {"number": 3.0, "algorithm": "ES256", "was_next": True}
    checked = SigningKeyProvider().check({}, props)
    assert [failure.property for failure in checked.failures] == ["number"]
    assert "key 3 is part of the ring, but the state does not hold it" in checked.failures[0].reason
    assert not SigningKeyProvider().check({"number": 3.0}, props).failures
    assert not SigningKeyProvider().check({}, {**props, "was_next": False}).failures


def test_a_published_key_outlives_its_private_half() -> None:
    signing = SigningKeyProvider().create({"number": 3.0, "algorithm": "ES256"}).outs or {}
    published = PublishedKeyProvider().create({"number": 3.0, "public_jwk": signing["public_jwk"]}).outs or {}
    gone = {"number": 3.0, "public_jwk": ""}
    assert not PublishedKeyProvider().diff("id", published, gone).changes


def test_a_published_key_follows_a_signing_key_that_was_replaced() -> None:
    old, new = (SigningKeyProvider().create({"number": 3.0, "algorithm": "ES256"}).outs or {} for _ in range(2))
    published = PublishedKeyProvider().create({"number": 3.0, "public_jwk": old["public_jwk"]}).outs or {}
    diff = PublishedKeyProvider().diff("id", published, {"number": 3.0, "public_jwk": new["public_jwk"]})
    assert diff.changes
    assert diff.replaces == ["public_jwk"]


def test_a_published_key_that_the_state_lost_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="restore the state"):
        PublishedKeyProvider().create({"number": 3.0, "public_jwk": ""})


def test_a_random_secret_is_256_bits_and_never_the_same() -> None:
    values = {(RandomSecretProvider().create({}).outs or {})["value"] for _ in range(3)}
    assert len(values) == 3
    assert all(len(value) == 43 for value in values)
