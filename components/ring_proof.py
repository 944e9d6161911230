"""The two resources that hold a rotation to the deployed gateway: the canary before, the read-back after.

Pulumi pickles the provider classes by reference, as it does those of `ring_resources`: this module's path and their
names are part of every stack's state. Neither class asks anything in a preview, since a dynamic provider's `create` and
`update` do not run there. What they raise stops the update before the next resource: nothing is deleted then, every key
that signs stays trusted, and the next update goes on where this one stopped.
"""

import json
import os
import time
from typing import Any

import pulumi
from pulumi.dynamic import ConfigureRequest, CreateResult, Resource, ResourceProvider, UpdateResult

from components.google_access import access_token, apigee_endpoint
from portcullis.deployed import CanaryError, NoAnswerError, Realm, missing_keys, read_edge, send_canary
from portcullis.ring import EDGE_PROPAGATION_SECONDS, ReadBack, RingConflictError, refuse_conflict

Props = dict[str, Any]

POLL_SECONDS = 2.0

_STOPPED = "The update stopped before the Worker was given the key; the gateway serves with the one before."


class RotationStoppedError(Exception):
    """The deployed gateway is not as the next step needs it. The message says what was found and what to do."""


class CanaryProvider(ResourceProvider):
    """Sends the canary before a key signs for callers; a new stack serves nobody yet, and sends none."""

    def create(self, props: Props) -> CreateResult:
        """Begin; the canaries come with the first rotation."""
        return CreateResult(id_="canary", outs=_public(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Prove that Apigee trusts the key; raises `RotationStoppedError` where it does not."""
        ring = json.loads(_news["ring"])
        _refuse_to_step_back(str(_news["edge_url"]), ring)
        realm = Realm(str(_news["issuer"]), str(_news["audience"]), str(_news["environment"]))
        try:
            send_canary(str(_news["apigee_url"]), ring["signing"], int(ring["seq"]), realm)
        except CanaryError as problem:
            raise RotationStoppedError(
                f"the canary was not accepted: {problem}. {_STOPPED} Mend Apigee (`pulumi refresh` finds a key that was"
                " deleted there) and run the update again"
            ) from None
        return UpdateResult(outs=_public(_news))


class Canary(Resource, module="ring", name="Canary"):
    """Proof that Apigee trusts the key of `generation`; the Worker's version waits for it.

    `ring` is the Worker's RING secret. It is an input alone: no output holds a key.
    """

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(CanaryProvider(), name, props, opts)


class RingReadBackProvider(ResourceProvider):
    """Asks both tiers for their keys after an update has written them.

    Credentials for Apigee's API come from the stack's configuration, and so are in no input.
    """

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the stack's configuration, which the engine hands over with its secrets in clear."""
        self._config = req.config

    def create(self, props: Props) -> CreateResult:
        """Begin: a new hostname may take a while to exist, and there is nothing to delete yet."""
        return CreateResult(id_="read-back", outs=props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until the Worker answers with this ring, then look for its keys in Apigee.

        Raises `RotationStoppedError` where the Worker does not in time, or Apigee lacks one.
        """
        wanted = (int(_news["generation"]), tuple(_kids(_news["jwks"])))
        found = _wait_for(str(_news["edge_url"]), wanted)
        if found:
            raise RotationStoppedError(
                f"{found}, {EDGE_PROPAGATION_SECONDS} s after the Worker was given the ring of generation {wanted[0]}."
                " No key was deleted and the gateway serves. See `portcullis ring`, then run the update again"
            )
        self._compare_apigee(str(_news["key_map"]), wanted[1])
        return UpdateResult(outs=_news)

    def _compare_apigee(self, key_map: str, kids: tuple[str, ...]) -> None:
        endpoint = apigee_endpoint(self._config.get, os.environ)
        token = access_token(self._config.get, os.environ)
        try:
            missing = missing_keys(endpoint, key_map, kids, token)
        except NoAnswerError as problem:
            raise RotationStoppedError(
                f"the keys that Apigee holds could not be read: {problem}. No key was deleted and the gateway serves."
                " Run the update again"
            ) from None
        if missing:
            raise RotationStoppedError(
                f"Apigee lacks {len(missing)} key(s) of the ring that the Worker holds ({', '.join(missing)}). No key"
                " was deleted. Run `pulumi refresh`, which finds an entry that was deleted or changed there, then the"
                " update again"
            )


class RingReadBack(Resource, module="ring", name="ReadBack"):
    """Proof that both tiers hold the ring of `generation`; keys that nobody needs are deleted after it.

    `jwks` are the ring's public keys, `key_map` the id of Apigee's map of them.
    """

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(RingReadBackProvider(), name, props, opts)


def _refuse_to_step_back(edge_url: str, ring: Props) -> None:
    """Refuse to write over a ring that is ahead, or over another one of the same seq (I7)."""
    try:
        report = read_edge(edge_url)
    except NoAnswerError as problem:
        raise RotationStoppedError(
            f"the ring of the deployed Worker could not be read: {problem}. {_STOPPED} Both hostnames must be reachable"
            " from where the update runs; run it again then"
        ) from None
    kids = frozenset(report.kids)
    try:
        refuse_conflict(int(ring["seq"]), ReadBack(report.seq, kids), frozenset(key["kid"] for key in ring["keys"]))
    except RingConflictError as problem:
        raise RotationStoppedError(str(problem)) from None


def _wait_for(edge_url: str, wanted: tuple[int, tuple[str, ...]]) -> str:
    """Return what was found instead, in words; empty where the Worker came to hold the ring."""
    deadline = time.monotonic() + EDGE_PROPAGATION_SECONDS
    while True:
        try:
            report = read_edge(edge_url)
        except NoAnswerError as problem:
            found = str(problem)
        else:
            if (report.seq, report.kids) == wanted:
                return ""
            found = f"{edge_url} answers with the ring of generation {report.seq}"
        if time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def _kids(jwks: str) -> list[str]:
    return [str(key["kid"]) for key in json.loads(jwks)["keys"]]


def _public(props: Props) -> Props:
    return {name: value for name, value in props.items() if name != "ring"}
