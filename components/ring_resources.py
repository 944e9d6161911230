"""The dynamic resources of the key ring: whose turn it is, each private key, each published key.

Pulumi pickles the provider classes by reference (this module's path and the class's name), so both are written in
every stack's state: renaming either breaks the stacks that exist.

Every key is a resource of its own, named by its number, because a key never changes: it is created, published, and
deleted. What a rotation does is then what `pulumi preview` says: one key is created, one is deleted, and the
generation goes from 7 to 8.
"""

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from components.clock import now
from components.read_back import read_back
from portcullis.ring import (
    RevocationError,
    Ring,
    RingConflictError,
    RingSettingsError,
    Settings,
    decide,
    drop_due,
    due,
    generate_key,
    summary,
)

Props = dict[str, Any]

_SETTINGS = tuple(field.name for field in fields(Settings))
_WHERE_TO_SET = (
    "The period is `pulumi config set portcullis:rotationPeriod`, the lifetimes are in gateway.yaml;"
    " docs/ring-rules.md says which is which"
)
# What `check` fills in; in the program they are only names.
_DECIDED: Props = {
    "generation": 1,
    "previous": 0,
    "current": 1,
    "next": 2,
    "revoked": 0,
    "rotated_at": "",
    "settled_at": "",
    "rotates_at": "",
    "drops_at": "",
    "last_change": "",
    "held": "",
}


class RingGenerationProvider(ResourceProvider):
    """Decides, in `check`, whether the ring takes a step: at most one in a run, and only when one is due.

    `check` runs in `preview` as it does in `up`, with the inputs of the last update, so a preview shows
    `generation: 7 => 8` exactly when the next update would rotate.
    """

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Return the inputs with what was decided filled in; refuse what the rules of rotation refuse."""
        settings = Settings(**{name: int(news[name]) for name in _SETTINGS})
        before = _ring(_olds)
        mode = "paused" if news["mode"] == "paused" else "auto"
        revoke = int(news["revoke"]) or None
        try:
            found, unread = read_back(str(news.get("gateway_url") or ""))
            decision = decide(before, now(), settings, mode=mode, revoke=revoke, found=found, unread=unread)
        except RingSettingsError as problem:
            return CheckResult(news, [CheckFailure("period_seconds", f"{problem}\n{_WHERE_TO_SET}")])
        except RevocationError as problem:
            return CheckResult(news, [CheckFailure("revoke", str(problem))])
        except RingConflictError as problem:
            return CheckResult(news, [CheckFailure("generation", str(problem))])
        told = summary(before, decision) or _olds.get("last_change", "")
        decided = _decided(decision.ring, settings, last_change=told, held=decision.held)
        return CheckResult({**news, **decided}, [])

    def create(self, props: Props) -> CreateResult:
        """Begin the ring at the generation that `check` decided."""
        return CreateResult(id_="ring", outs=props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Take the step that `check` decided."""
        return UpdateResult(outs=_news)


class RingGeneration(Resource, module="ring", name="RingGeneration"):
    """Whose turn it is.

    `generation` counts the changes and is the ring's `seq`; `previous`, `current` and `next` are the numbers of the
    keys in the slots, 0 for an empty one, and `revoked` that of a previous key which is still to be dropped. Times are
    RFC 3339 in UTC: `rotated_at` and `settled_at` as in `portcullis.ring.Ring`, `rotates_at` when the next rotation is
    due, `drops_at` when the revoked key is to be dropped (empty for never). `last_change` tells the last change in a
    sentence; `held` tells why a change that was due has not been made, and is empty where none is held back.
    """

    generation: pulumi.Output[int]
    previous: pulumi.Output[int]
    current: pulumi.Output[int]
    next: pulumi.Output[int]
    revoked: pulumi.Output[int]
    rotated_at: pulumi.Output[str]
    settled_at: pulumi.Output[str]
    rotates_at: pulumi.Output[str]
    drops_at: pulumi.Output[str]
    last_change: pulumi.Output[str]
    held: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: Settings,
        mode: str,
        revoke: int,
        gateway_url: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: Props = {field: getattr(settings, field) for field in _SETTINGS}
        given = {"mode": mode, "revoke": revoke, "gateway_url": gateway_url}
        super().__init__(RingGenerationProvider(), name, {**props, **given, **_DECIDED}, opts)


class SigningKeyProvider(ResourceProvider):
    """Makes a key pair once; afterwards there is nothing to change."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse to make a key that is to sign at once: it was never published before (I1)."""
        lost = not _olds and bool(news.get("was_next"))
        return CheckResult(news, [CheckFailure("number", _lost(int(news["number"])))] if lost else [])

    def create(self, props: Props) -> CreateResult:
        """Generate the pair; the private half exists in this process and, as a secret, in the state."""
        private, public = generate_key(str(props["algorithm"]))
        outs = {**props, "kid": public["kid"], "public_jwk": _compact(public), "private_jwk": _compact(private)}
        return CreateResult(id_=str(public["kid"]), outs=outs)


class SigningKey(Resource, module="ring", name="SigningKey"):
    """A key pair that signs or will sign: `private_jwk` (a Pulumi secret) and `public_jwk`, both JSON (RFC 7517).

    `was_next` says that it signs and was the next key before, so that the state must hold it already. Deleted, and its
    private half with it, when the key after it begins to sign.
    """

    number: pulumi.Output[int]
    kid: pulumi.Output[str]
    public_jwk: pulumi.Output[str]
    private_jwk: pulumi.Output[str]

    def __init__(
        self, name: str, number: int, algorithm: str, *, was_next: bool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props: Props = {"number": number, "algorithm": algorithm, "was_next": was_next}
        unset = {"kid": None, "public_jwk": None, "private_jwk": None}
        own = pulumi.ResourceOptions(
            additional_secret_outputs=["private_jwk"],
            # A key keeps the algorithm it was made with: another one comes with the next key.
            ignore_changes=["algorithm", "was_next"],
        )
        super().__init__(SigningKeyProvider(), name, {**props, **unset}, pulumi.ResourceOptions.merge(opts, own))


class PublishedKeyProvider(ResourceProvider):
    """Keeps the public half of a key for as long as somebody may hold a token that it signed."""

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Say that nothing changed unless the key did; its signing half may be gone already (`public_jwk` is empty)."""
        wanted = _news.get("public_jwk")
        differs = bool(wanted) and wanted != _olds["public_jwk"]
        return DiffResult(changes=differs, replaces=["public_jwk"] if differs else [])

    def create(self, props: Props) -> CreateResult:
        """Publish the key; raises `ValueError` where the state has lost both halves of it."""
        if not props.get("public_jwk"):
            raise ValueError(_lost(int(props["number"])))
        public = json.loads(props["public_jwk"])
        return CreateResult(id_=public["kid"], outs={**props, "kid": public["kid"]})


class PublishedKey(Resource, module="ring", name="PublishedKey"):
    """The public half of a key that verifiers trust: `kid` (RFC 7638) and `public_jwk`, JSON (RFC 7517)."""

    number: pulumi.Output[int]
    kid: pulumi.Output[str]
    public_jwk: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        number: int,
        public_jwk: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # Kept beside the resource because a plain number is needed to name what is made of the key.
        self.key_number = number
        super().__init__(PublishedKeyProvider(), name, {"number": number, "public_jwk": public_jwk, "kid": None}, opts)


def _lost(number: int) -> str:
    return (
        f"key {number} is part of the ring, but the state does not hold it: restore the state from before it was lost"
        " (`pulumi stack history`, `pulumi stack import`), or delete this state's RingGeneration (`pulumi state"
        " delete`) to begin a new ring, whose keys Apigee does not know yet: callers are refused for some minutes"
    )


def _ring(olds: Props) -> Ring | None:
    """Return the ring that the last update left, from its inputs; numbers come back from the engine as floats."""
    if not olds.get("generation"):
        return None
    return Ring(
        seq=int(olds["generation"]),
        current=int(olds["current"]),
        next=int(olds["next"]),
        previous=int(olds["previous"]) or None,
        rotated_at=_epoch(olds["rotated_at"]),
        settled_at=_epoch(olds["settled_at"]),
        revoked=int(olds["revoked"]) or None,
    )


def _decided(ring: Ring, settings: Settings, *, last_change: str, held: str) -> Props:
    drops_at = drop_due(ring, settings)
    return {
        "generation": ring.seq,
        "previous": ring.previous or 0,
        "current": ring.current,
        "next": ring.next,
        "revoked": ring.revoked or 0,
        "rotated_at": _timestamp(ring.rotated_at),
        "settled_at": _timestamp(ring.settled_at),
        "rotates_at": _timestamp(due(ring, settings)),
        "drops_at": "" if drops_at is None else _timestamp(drops_at),
        "last_change": last_change,
        "held": held,
    }


def _epoch(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp())


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(jwk: Props) -> str:
    return json.dumps(jwk, separators=(",", ":"), sort_keys=True)
