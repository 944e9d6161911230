"""What `portcullis ring` says of a state: ages, what is due, what each tier may still bear, and the alarms."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from portcullis.cli.errors import CommandError
from portcullis.cli.pending import adopt
from portcullis.cli.ring_report import lines, read_state, report, span
from portcullis.ring import Settings, tolerance

SETTINGS = Settings(period_seconds=86_400, token_life_seconds=60, leeway_seconds=10, key_cache_seconds=300)
START = int(datetime(2026, 11, 25, 8, 0, tzinfo=UTC).timestamp())
HOUR = 3600
ENTRY = "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries"
OUTPUTS: dict[str, Any] = {
    "currentKid": "k7",
    "ring": {
        "previous": {"number": 6, "kid": "k6", "alg": "ES256"},
        "current": {"number": 7, "kid": "k7", "alg": "ES256"},
        "next": {"number": 8, "kid": "k8", "alg": "ES384"},
        "lastChange": "rotation: key 7 signs",
    },
}


def state(kids: tuple[str, ...] = ("k6", "k7", "k8"), **changes: Any) -> dict[str, Any]:
    told = {
        **asdict(SETTINGS),
        "generation": 7.0,
        "previous": 6.0,
        "current": 7.0,
        "next": 8.0,
        "revoked": 0.0,
        "rotated_at": "2026-11-25T08:00:00Z",
        "settled_at": "2026-11-25T08:00:00Z",
        "mode": "auto",
        "held": "",
        **changes,
    }
    ring = {"type": "pulumi-python:dynamic/ring:RingGeneration", "outputs": told}
    entries = [{"type": ENTRY, "inputs": {"name": f"jwk.{kid}"}} for kid in kids]
    return {"deployment": {"resources": [ring, *entries]}}


def told(at: float, worker: int | None = 7, **changes: Any) -> dict[str, Any]:
    return report("prod", read_state("prod", state(**changes)), OUTPUTS, worker, START + at)


def test_a_ring_in_good_health_has_no_alarm() -> None:
    document = told(3 * HOUR)
    assert document["generation"] == 7
    assert document["slots"]["current"]["age_seconds"] == 3 * HOUR
    assert document["next_rotation"] == "2026-11-26T08:00:00Z"
    assert (document["due"], document["overdue_seconds"], document["alarms"]) == (False, 0, [])
    tolerated = tolerance(SETTINGS)
    assert document["tiers"]["worker"]["left_seconds"] == tolerated.worker_seconds
    assert document["tiers"]["apigee"]["left_seconds"] == tolerated.apigee_seconds


def test_a_tier_that_is_behind_has_so_much_less_time_left() -> None:
    document = told(3 * HOUR, worker=6, kids=("k6", "k7"))
    tolerated = tolerance(SETTINGS)
    assert document["tiers"]["worker"]["left_seconds"] == tolerated.worker_seconds - 3 * HOUR
    assert document["tiers"]["apigee"]["left_seconds"] == tolerated.apigee_seconds - 3 * HOUR
    assert [alarm.split(":")[0] for alarm in document["alarms"]] == ["worker-behind", "apigee-behind"]


@pytest.mark.parametrize(
    ("at", "changes", "alarms"),
    [
        (25 * HOUR, {}, []),
        (40 * HOUR, {}, ["overdue"]),
        (40 * HOUR, {"mode": "paused"}, ["overdue"]),
        (25 * HOUR, {"held": "the Worker is at seq 6"}, ["held"]),
        (HOUR, {"held": "the Worker was at seq 6"}, []),
        (HOUR, {"worker": None}, ["worker-unread"]),
    ],
    ids=["just due", "long overdue", "paused and overdue", "held", "held before and in step again", "unread"],
)
def test_an_alarm_is_raised_when_a_person_is_to_look(at: int, changes: dict[str, Any], alarms: list[str]) -> None:
    document = told(at, **changes)
    assert [alarm.split(":")[0] for alarm in document["alarms"]] == alarms
    assert all(any(alarm in line for line in lines(document)) for alarm in document["alarms"])


def test_the_lines_say_which_key_does_what() -> None:
    shown = "\n".join(lines(told(3 * HOUR)))
    for text in ("generation 7", "key 7  ES256  k7  signs since", "key 8  ES384", "in 21 h", "rotation: key 7 signs"):
        assert text in shown


def test_a_stack_without_a_ring_is_told_what_to_do() -> None:
    with pytest.raises(CommandError, match="pulumi up --stack prod"):
        read_state("prod", {"deployment": {"resources": []}})


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (90_061, "1 d 1 h")])
def test_a_span_is_told_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_an_entry_that_was_being_made_is_taken_into_the_state_and_nothing_else() -> None:
    entry = {
        "urn": "urn::entry",
        "type": ENTRY,
        "inputs": {"__defaults": [], "envKeyvaluemapId": "map", "name": "jwk.k9"},
    }
    known = {"urn": "urn::known", "type": ENTRY, "inputs": {"envKeyvaluemapId": "map", "name": "jwk.k8"}, "id": "x"}
    killed: dict[str, Any] = {
        "deployment": {
            "resources": [known],
            "pending_operations": [
                {"type": "creating", "resource": entry},
                {"type": "creating", "resource": known},
                {"type": "deleting", "resource": known},
                {"type": "creating", "resource": {"urn": "urn::key", "type": "pulumi-python:dynamic/ring:SigningKey"}},
            ],
        }
    }
    assert adopt(killed) == ["urn::entry"]
    added = killed["deployment"]["resources"][1:]
    assert added == [
        {
            **entry,
            "id": "map/entries/jwk.k9",
            "outputs": {"envKeyvaluemapId": "map", "name": "jwk.k9", "id": "map/entries/jwk.k9"},
        }
    ]
    assert "pending_operations" not in killed["deployment"]
