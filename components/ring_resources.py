"""The dynamic resources of the key ring: whose turn it is, each private key, each published key.

Pulumi pickles the provider classes by reference (this module's path and the class's name), so both are written in
every stack's state: renaming either breaks the stacks that exist.

Every key is a resource of its own, named by its number, because a key never changes: it is created, published, and
deleted. What a rotation does is then what `pulumi preview` says: one key is created, one is deleted, and the
generation goes from 7 to 8.
"""

import json
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
from portcullis.ring import Generation, RingSettingsError, Settings, check_settings, generate_key, step

Props = dict[str, Any]

_SETTINGS = (
    "period_seconds",
    "token_life_seconds",
    "leeway_seconds",
    "clock_error_seconds",
    "edge_propagation_seconds",
    "key_cache_seconds",
)


class RingGenerationProvider(ResourceProvider):
    """Decides, in `check`, whether the ring takes a step: at most one in a run, and only when one is due.

    `check` runs in `preview` as it does in `up`, with the inputs of the last update, so a preview shows
    `generation: 7 => 8` exactly when the next update would rotate.
    """

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Return the inputs with what was decided filled in; refuse settings that break an inequality."""
        settings = Settings(**{name: int(news[name]) for name in _SETTINGS})
        try:
            check_settings(settings)
        except RingSettingsError as problem:
            return CheckResult(news, [CheckFailure("period_seconds", str(problem))])
        taken = step(_generation(_olds), now(), settings, "paused" if news["mode"] == "paused" else "auto")
        decided = {
            "generation": taken.number,
            "rotated_at": _timestamp(taken.rotated_at) if taken.rotated_at is not None else "",
            "rotates_at": _timestamp(taken.rotates_at),
        }
        return CheckResult({**news, **decided}, [])

    def create(self, props: Props) -> CreateResult:
        """Begin the ring at the generation that `check` decided."""
        return CreateResult(id_="ring", outs=props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Take the step that `check` decided."""
        return UpdateResult(outs=_news)


class RingGeneration(Resource, module="ring", name="RingGeneration"):
    """Whose turn it is: `generation` counts the rotations, `rotates_at` says when the next is due (RFC 3339, UTC)."""

    generation: pulumi.Output[int]
    rotates_at: pulumi.Output[str]

    def __init__(self, name: str, settings: Settings, mode: str, opts: pulumi.ResourceOptions | None = None) -> None:
        props: Props = {field: getattr(settings, field) for field in _SETTINGS}
        # Where a ring begins; `check` puts in where it stands.
        start: Props = {"generation": 1, "rotated_at": "", "rotates_at": ""}
        super().__init__(RingGenerationProvider(), name, {**props, **start, "mode": mode}, opts)


class SigningKeyProvider(ResourceProvider):
    """Makes a key pair once; afterwards there is nothing to change."""

    def create(self, props: Props) -> CreateResult:
        """Generate the pair; the private half exists in this process and, as a secret, in the state."""
        private, public = generate_key(str(props["algorithm"]))
        outs = {**props, "kid": public["kid"], "public_jwk": _compact(public), "private_jwk": _compact(private)}
        return CreateResult(id_=str(public["kid"]), outs=outs)


class SigningKey(Resource, module="ring", name="SigningKey"):
    """A key pair that signs or will sign: `private_jwk` (a Pulumi secret) and `public_jwk`, both JSON (RFC 7517).

    Deleted, and its private half with it, when the key after it begins to sign.
    """

    number: pulumi.Output[int]
    kid: pulumi.Output[str]
    public_jwk: pulumi.Output[str]
    private_jwk: pulumi.Output[str]

    def __init__(self, name: str, number: int, algorithm: str, opts: pulumi.ResourceOptions | None = None) -> None:
        props: Props = {"number": number, "algorithm": algorithm}
        unset = {"kid": None, "public_jwk": None, "private_jwk": None}
        # A key keeps the algorithm it was made with: another algorithm comes with the next key.
        own = pulumi.ResourceOptions(additional_secret_outputs=["private_jwk"], ignore_changes=["algorithm"])
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
            raise ValueError(
                f"key {int(props['number'])} is to stay published, but the state holds neither half of it: restore "
                "the state from before it was lost, or run `pulumi state delete` on the ring to begin a new one"
            )
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


def _generation(olds: Props) -> Generation | None:
    if not olds.get("generation"):
        return None
    # Numbers come back from the engine as floats.
    rotated_at = _epoch(olds["rotated_at"]) if olds.get("rotated_at") else None
    return Generation(int(olds["generation"]), _epoch(olds["rotates_at"]), rotated_at)


def _epoch(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp())


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(jwk: Props) -> str:
    return json.dumps(jwk, separators=(",", ":"), sort_keys=True)
