"""The ring of signing keys that joins both tiers: previous, current, next."""

import json
from typing import NotRequired, TypedDict

import pulumi

from components.ring_resources import PublishedKey, RingGeneration, SigningKey
from portcullis.ring import Generation, Settings, slots, worker_ring


class SigningKeyRingArgs(TypedDict):
    """What a ring is made from."""

    settings: Settings
    """The period and the lifetimes it must outlast, in seconds."""
    algorithm: str
    """The JWS algorithm of keys made from now on (RFC 7518), such as `ES256`."""
    mode: NotRequired[str]
    """`auto` rotates when due; `paused` does not."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the ring's generation, without which the ring would begin again."""


class SigningKeyRing(pulumi.ComponentResource):
    """Three keys, one step at a time: `next` is published a whole period before it signs.

    **Pulumi type:** `portcullis:index:SigningKeyRing`

    Produces a `RingGeneration`, a `SigningKey` for current and next, and a `PublishedKey` for each of the three.
    The rules are I0 to I12 of `portcullis.ring`.
    """

    generation: pulumi.Output[int]
    """Counts the rotations from 1; the `seq` of the ring."""
    rotates_at: pulumi.Output[str]
    """When the next rotation is due (RFC 3339, UTC)."""
    current_kid: pulumi.Output[str]
    """The kid (RFC 7638 thumbprint) that signs now."""
    jwks: pulumi.Output[str]
    """The public keys as a JWK Set in JSON, in the order previous, current, next."""
    worker_ring: pulumi.Output[str]
    """The Worker's RING secret (a Pulumi secret): the signing key and the public keys, JSON."""
    published_keys: pulumi.Output[list[PublishedKey]]
    """One resource for each published key. Known in every preview, as the generation is."""

    def __init__(self, name: str, args: SigningKeyRingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portcullis:index:SigningKeyRing", name, {"algorithm": args["algorithm"]}, opts)
        self._name = name
        self._algorithm = args["algorithm"]
        kept = pulumi.ResourceOptions(parent=self, protect=args.get("protect", False))
        turn = RingGeneration(f"{name}-generation", args["settings"], args.get("mode", "auto"), kept)
        self.generation = turn.generation.apply(int)
        self.rotates_at = turn.rotates_at
        # The keys are made inside `apply` because their names hold their numbers. The generation is an input that
        # `check` fills in, so it is known in every preview and no key is ever missing from one.
        keys = self.generation.apply(self._make_keys)
        self.published_keys = keys.apply(lambda made: made[0])
        self.current_kid = keys.apply(lambda made: made[1].kid)
        public = self.published_keys.apply(lambda made: pulumi.Output.all(*(key.public_jwk for key in made)))
        private = keys.apply(lambda made: made[1].private_jwk)
        self.jwks = public.apply(_key_set)
        self.worker_ring = pulumi.Output.secret(
            pulumi.Output.all(self.generation, private, public).apply(lambda known: self._worker_ring(*known))
        )
        self.register_outputs(
            {
                "generation": self.generation,
                "rotates_at": self.rotates_at,
                "current_kid": self.current_kid,
                "jwks": self.jwks,
                "worker_ring": self.worker_ring,
            }
        )

    def _make_keys(self, generation: int) -> tuple[list[PublishedKey], SigningKey]:
        """Return every published key in the order of the slots, and the key that signs."""
        turn = slots(Generation(generation, 0))
        parent = pulumi.ResourceOptions(parent=self)
        signing = {
            number: SigningKey(f"{self._name}-signing-{number}", number, self._algorithm, parent)
            for number in (turn.current, turn.next)
        }
        numbers = [number for number in (turn.previous, turn.current, turn.next) if number is not None]
        published = [
            PublishedKey(
                f"{self._name}-published-{number}",
                number,
                signing[number].public_jwk if number in signing else "",
                parent,
            )
            for number in numbers
        ]
        return published, signing[turn.current]

    def _worker_ring(self, generation: int, private: str | None, public: list[str]) -> str:
        # Mocks that know nothing of keys make none; a real engine always does.
        if not private:
            return ""
        return worker_ring(generation, self._algorithm, json.loads(private), [json.loads(jwk) for jwk in public])


def _key_set(public: list[str]) -> str:
    return json.dumps({"keys": [json.loads(jwk) for jwk in public if jwk]})
