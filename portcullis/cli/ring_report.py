"""The ring as its operator sees it: slots and ages, what is due, and how long each tier may stay as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from portcullis import ring as rules
from portcullis.cli.errors import CommandError
from portcullis.ring import Ring, Settings, drop_due, exposure, minimum_period, overdue_seconds, tolerance

Json: TypeAlias = dict[str, Any]

_GENERATION: Final = "pulumi-python:dynamic/ring:RingGeneration"
_KEY_ENTRY: Final = "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries"
_SLOTS: Final = ("previous", "current", "next")


@dataclass(frozen=True)
class Held:
    """What the stack's state says of the ring."""

    ring: Ring
    settings: Settings
    mode: str
    held: str
    apigee_kids: frozenset[str]
    """The keys whose entries Pulumi has made in Apigee and not deleted."""


def read_state(stack: str, state: Json) -> Held:
    """Read the ring from an exported state; raises `CommandError` where it has none."""
    deployment: Json = state.get("deployment") or {}
    resources: list[Json] = deployment.get("resources") or []
    found = next((resource for resource in resources if resource["type"] == _GENERATION), None)
    if found is None:
        raise CommandError(f"the stack {stack} has no gateway yet: run `pulumi up --stack {stack}`")
    told: Json = found["outputs"]
    if "settled_at" not in told:
        raise CommandError(f"the stack {stack} was made by an older program: run `pulumi up --stack {stack}` once")
    entries = [str(resource["inputs"]["name"]) for resource in resources if resource["type"] == _KEY_ENTRY]
    return Held(
        ring=Ring(
            seq=int(told["generation"]),
            current=int(told["current"]),
            next=int(told["next"]),
            previous=int(told["previous"]) or None,
            rotated_at=_epoch(told["rotated_at"]),
            settled_at=_epoch(told["settled_at"]),
            revoked=int(told["revoked"]) or None,
        ),
        settings=Settings(**{field.name: int(told[field.name]) for field in fields(Settings)}),
        mode=str(told["mode"]),
        held=str(told["held"]),
        apigee_kids=frozenset(name.removeprefix("jwk.") for name in entries),
    )


def report(stack: str, held: Held, outputs: Mapping[str, Any], worker_seq: int | None, now: float) -> Json:
    """Put the report together; `worker_seq` is what the deployed Worker said, None where it did not answer."""
    ring, settings = held.ring, held.settings
    slots: Json = {slot: _slot(slot, outputs["ring"].get(slot), ring, now) for slot in _SLOTS}
    kids = [slot["kid"] for slot in slots.values() if slot is not None]
    tiers = _tiers(held, kids, worker_seq, now)
    is_due, overdue = now >= rules.due(ring, settings), overdue_seconds(ring, settings, now)
    return {
        "stack": stack,
        "generation": ring.seq,
        "current_kid": outputs["currentKid"],
        "published_kids": kids,
        "slots": slots,
        "now": timestamp(now),
        "next_rotation": timestamp(rules.due(ring, settings)),
        "due": is_due,
        "overdue_seconds": overdue,
        "mode": held.mode,
        "held": held.held,
        "last_change": str(outputs["ring"].get("lastChange") or ""),
        "revoked": ring.revoked,
        "revoked_dropped_at": _optional(drop_due(ring, settings)),
        "period_seconds": settings.period_seconds,
        "minimum_period_seconds": minimum_period(settings).seconds,
        "exposure_seconds": exposure(settings).seconds,
        "tiers": tiers,
        "alarms": list(_alarms(held, tiers, overdue, due=is_due)),
    }


def lines(document: Json) -> list[str]:
    """Return the report for people."""
    slots = [_slot_line(name, document["slots"][name]) for name in _SLOTS]
    state = "due now" if document["due"] else f"in {span(_epoch(document['next_rotation']) - _epoch(document['now']))}"
    if document["overdue_seconds"]:
        state = f"overdue by {span(document['overdue_seconds'])}"
    paused = ", paused" if document["mode"] == "paused" else ""
    tiers = [_tier_line(name, tier) for name, tier in document["tiers"].items()]
    told = [f"last change    {document['last_change']}"] if document["last_change"] else []
    return [
        f"ring of {document['stack']}, generation {document['generation']}",
        *slots,
        f"next rotation  {document['next_rotation']}, {state}{paused}",
        *tiers,
        *told,
        *[f"ALARM  {alarm}" for alarm in document["alarms"]],
    ]


def span(seconds: int) -> str:
    """Return a duration in its two largest units, such as `1 d 3 h`."""
    parts = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _slot(name: str, told: Json | None, ring: Ring, now: float) -> Json | None:
    if told is None:
        return None
    since = ring.rotated_at if name != "next" else max(ring.rotated_at, ring.settled_at)
    return {**told, "since": timestamp(since), "age_seconds": max(0, int(now - since))}


def _slot_line(name: str, slot: Json | None) -> str:
    if slot is None:
        return f"{name:<14} -"
    does = {"previous": "trusted, signed until", "current": "signs since", "next": "published, waits since"}[name]
    return f"{name:<14} key {slot['number']}  {slot['alg']}  {slot['kid']}  {does} {slot['since']}"


def _tiers(held: Held, kids: list[str], worker_seq: int | None, now: float) -> Json:
    """How far each tier is, how long it may be behind (I3), and what is left of that."""
    tolerated = tolerance(held.settings)
    missing = sorted(set(kids) - held.apigee_kids)
    worker = {"generation": worker_seq, "in_step": worker_seq == held.ring.seq}
    apigee = {"missing_kids": missing, "in_step": not missing}
    for tier, seconds in ((worker, tolerated.worker_seconds), (apigee, tolerated.apigee_seconds)):
        behind = 0 if tier["in_step"] else max(0, int(now - held.ring.rotated_at))
        tier |= {"tolerance_seconds": seconds, "left_seconds": seconds - behind}
    return {"worker": worker, "apigee": apigee}


def _tier_line(name: str, tier: Json) -> str:
    if tier["in_step"]:
        return f"{name:<14} in step; could stay behind for {span(tier['tolerance_seconds'])}"
    left = tier["left_seconds"]
    rest = f"{span(left)} left" if left > 0 else "callers may be refused after the next rotation"
    return f"{name:<14} behind; {rest}"


def _alarms(held: Held, tiers: Json, overdue: int, *, due: bool) -> Iterator[str]:
    """What a person is to look at; docs/rotation.md says what to do about each."""
    tolerated = tolerance(held.settings)
    if overdue > min(tolerated.worker_seconds, tolerated.apigee_seconds) // 2:
        why = "it is paused" if held.mode == "paused" else held.held or "no run has taken it"
        yield f"overdue: the rotation is {span(overdue)} late; {why}"
    if tiers["worker"]["generation"] is None:
        yield "worker-unread: the deployed gateway does not say which ring it holds"
    elif not tiers["worker"]["in_step"]:
        where = "behind" if tiers["worker"]["generation"] < held.ring.seq else "ahead"
        yield f"worker-{where}: it holds generation {tiers['worker']['generation']}, the state {held.ring.seq}"
    if not tiers["apigee"]["in_step"]:
        yield f"apigee-behind: it lacks {', '.join(tiers['apigee']['missing_kids'])}"
    if held.held and due:
        yield f"held: {held.held}"


def _optional(seconds: int | None) -> str | None:
    return None if seconds is None else timestamp(seconds)


def _epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
