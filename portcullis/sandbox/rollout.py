"""How deployments of revisions go in the Apigee of the sandbox: at once, slowly, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.faulty import APIGEE_ROLLOUT_HOST
from portcullis.sandbox.network import Network


@dataclass(frozen=True)
class Rollout:
    """Each deployment is PROGRESSING for `seconds`, and ends in ERROR where it `fails`."""

    fails: bool = False
    seconds: float = 0


def rollout(network: Network) -> Rollout:
    """Return how deployments go now, by the fault that is set."""
    fault = network.fault(APIGEE_ROLLOUT_HOST)
    if fault is None:
        return Rollout()
    return Rollout(fails=fault.kind != "slow", seconds=fault.seconds if fault.kind == "slow" else 0)
