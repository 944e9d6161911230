"""The ring of signing keys that joins both tiers: previous, current, next."""

import json
from typing import NotRequired, TypedDict

import pulumi

from components.ring_resources import PublishedKey, RingGeneration, SigningKey
from portcullis.ring import Settings, is_new, worker_ring

SLOTS = ("previous", "current", "next")


class SigningKeyRingArgs(TypedDict):
    """What a ring is made from."""

    settings: Settings
    """The period and the lifetimes it must outlast, in seconds."""
    algorithm: str
    """The JWS algorithm of keys made from now on (RFC 7518), such as `ES256`."""
    mode: NotRequired[str]
    """`auto` rotates when due; `paused` does not."""
    revoke: NotRequired[int]
    """The number of a compromised key, or 0. It may stay: a key is revoked once."""
    gateway_url: NotRequired[str]
    """The public URL of the deployed gateway, which is asked for its ring before a step; empty to trust the state."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the ring's generation, without which the ring would begin again."""


class SigningKeyRing(pulumi.ComponentResource):
    """Three keys, one step at a time: `next` is published a whole period before it signs.

    **Pulumi type:** `portcullis:index:SigningKeyRing`

    Produces a `RingGeneration`, a `SigningKey` for current and next, and a `PublishedKey` for each of the three.
    The rules are I0 to I12 of `portcullis.ring`.
    """

    generation: pulumi.Output[int]
    """Counts the ring's changes from 1; the `seq` of the ring."""
    rotates_at: pulumi.Output[str]
    """When the next rotation is due (RFC 3339, UTC)."""
    last_change: pulumi.Output[str]
    """The last change of the ring in a sentence. Known in every preview, which so tells what the update will do."""
    current_kid: pulumi.Output[str]
    """The kid (RFC 7638 thumbprint) that signs now."""
    jwks: pulumi.Output[str]
    """The public keys as a JWK Set in JSON, in the order previous, current, next."""
    status: pulumi.Output[dict[str, object]]
    """The ring as an operator sees it: `generation`, `previous`, `current` and `next` as `{number, kid, alg}` (`None`
    for an empty slot), `revoked`, `rotatedAt`, `settledAt`, `nextRotation`, `dropsAt`, `lastChange`, `held`."""
    worker_ring: pulumi.Output[str]
    """The Worker's RING secret (a Pulumi secret): the signing key and the public keys, JSON."""
    published_keys: pulumi.Output[list[PublishedKey]]
    """One resource for each published key. Known in every preview, as the generation is."""

    def __init__(self, name: str, args: SigningKeyRingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portcullis:index:SigningKeyRing", name, {"algorithm": args["algorithm"]}, opts)
        self._name = name
        self._algorithm = args["algorithm"]
        kept = pulumi.ResourceOptions(parent=self, protect=args.get("protect", False))
        turn = RingGeneration(
            f"{name}-generation",
            args["settings"],
            args.get("mode", "auto"),
            args.get("revoke", 0),
            args.get("gateway_url", ""),
            kept,
        )
        turn.held.apply(lambda held: _warn(held, turn))
        self.generation = turn.generation.apply(int)
        self.rotates_at = turn.rotates_at
        self.last_change = turn.last_change
        # The keys are made inside `apply` because their names hold their numbers. The slots are inputs that `check`
        # fills in, so they are known in every preview and no key is ever missing from one.
        numbers = pulumi.Output.all(self.generation, turn.previous, turn.current, turn.next)
        keys = numbers.apply(lambda known: self._make_keys(*(int(number) for number in known)))
        self.published_keys = keys.apply(lambda made: made[0])
        self.current_kid = keys.apply(lambda made: made[1].kid)
        public = self.published_keys.apply(lambda made: pulumi.Output.all(*(key.public_jwk for key in made)))
        private = keys.apply(lambda made: made[1].private_jwk)
        self.jwks = public.apply(_key_set)
        self.status = _status(turn, public)
        self.worker_ring = pulumi.Output.secret(
            pulumi.Output.all(self.generation, private, public).apply(lambda known: _worker_ring(*known))
        )
        self.register_outputs(
            {
                "generation": self.generation,
                "rotates_at": self.rotates_at,
                "last_change": self.last_change,
                "current_kid": self.current_kid,
                "jwks": self.jwks,
                "status": self.status,
                "worker_ring": self.worker_ring,
            }
        )

    def _make_keys(
        self, seq: int, previous: int, current: int, following: int
    ) -> tuple[list[PublishedKey], SigningKey]:
        """Return every published key in the order of the slots, and the key that signs."""
        new = is_new(seq, previous, current)
        parent = pulumi.ResourceOptions(parent=self)
        signing = {
            number: SigningKey(
                f"{self._name}-signing-{number}",
                number,
                self._algorithm,
                was_next=number == current and not new,
                opts=parent,
            )
            for number in (current, following)
        }
        published = [
            PublishedKey(
                f"{self._name}-published-{number}",
                number,
                signing[number].public_jwk if number in signing else "",
                parent,
            )
            for number in (previous, current, following)
            if number
        ]
        return published, signing[current]


def _worker_ring(generation: int, private: str | None, public: list[str]) -> str:
    # Mocks that know nothing of keys make none; a real engine always does.
    if not private:
        return ""
    return worker_ring(generation, json.loads(private), [json.loads(jwk) for jwk in public])


def _key_set(public: list[str]) -> str:
    return json.dumps({"keys": [json.loads(jwk) for jwk in public if jwk]})


def _status(turn: RingGeneration, public: pulumi.Output[list[str]]) -> pulumi.Output[dict[str, object]]:
    told = {
        "generation": turn.generation.apply(int),
        "revoked": turn.revoked.apply(int),
        "rotatedAt": turn.rotated_at,
        "settledAt": turn.settled_at,
        "nextRotation": turn.rotates_at,
        "dropsAt": turn.drops_at,
        "lastChange": turn.last_change,
        "held": turn.held,
    }
    numbers = pulumi.Output.all(turn.previous, turn.current, turn.next)
    slots = pulumi.Output.all(numbers, public).apply(lambda known: _slots(*known))
    return pulumi.Output.all(slots, pulumi.Output.all(**told)).apply(lambda known: {**known[0], **known[1]})


def _slots(numbers: list[float], public: list[str]) -> dict[str, object]:
    filled = [slot for slot, number in zip(SLOTS, numbers, strict=True) if number]
    keys: dict[str, dict[str, str]] = {
        slot: json.loads(jwk) if jwk else {} for slot, jwk in zip(filled, public, strict=True)
    }
    return {
        slot: {"number": int(number), "kid": keys[slot].get("kid"), "alg": keys[slot].get("alg")}
        if slot in keys
        else None
        for slot, number in zip(SLOTS, numbers, strict=True)
    }


def _warn(held: str, turn: RingGeneration) -> None:
    if held:
        pulumi.log.warn(f"the ring was not moved on: {held}", turn)
