"""What the store says the edge must run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portcullis.sandbox.cloudflare.edge.cron import Cron, CronError
from portcullis.sandbox.cloudflare.edge.errors import EdgeRejected
from portcullis.sandbox.cloudflare.edge.routing import Domain, Route, RoutingTable
from portcullis.sandbox.store import JsonObject, Store


@dataclass(frozen=True)
class VersionKey:
    """One version of one Worker; the digest tells two contents under one id apart."""

    worker_id: str
    version_id: str
    digest: str


@dataclass(frozen=True)
class DeployedWorker:
    """A Worker with its live versions and the percentage of requests that each gets."""

    id: str
    name: str
    shares: Mapping[VersionKey, float]
    crons: Mapping[str, Cron]


@dataclass(frozen=True)
class DesiredState:
    """Everything deployed, at one moment."""

    workers: Sequence[DeployedWorker]
    versions: Mapping[VersionKey, JsonObject]
    routing: RoutingTable


def read(store: Store) -> DesiredState:
    """Read the documents of the Cloudflare API; raises `EdgeRejected` where a deployment names what is not there."""
    versions: dict[VersionKey, JsonObject] = {}
    workers: list[DeployedWorker] = []
    for worker_id, worker in store.items("cf.workers"):
        shares = _shares(store, worker_id, worker["name"], versions)
        if shares:
            workers.append(DeployedWorker(worker_id, worker["name"], shares, _crons(store, worker_id)))
    return DesiredState(workers, versions, _routing(store))


def _shares(store: Store, worker_id: str, name: str, versions: dict[VersionKey, JsonObject]) -> dict[VersionKey, float]:
    """Return the share of each version of the newest deployment, and put those versions' documents into `versions`."""
    deployments = store.items("cf.deployments", f"{worker_id}/")
    if not deployments:
        return {}
    shares: dict[VersionKey, float] = {}
    for part in deployments[-1][1]["versions"]:
        if part["percentage"] <= 0:
            continue
        version = store.get("cf.versions", f"{worker_id}/{part['version_id']}")
        if version is None:
            raise EdgeRejected(f"the deployment of Worker `{name}` names version {part['version_id']}, which is gone")
        digest = hashlib.sha256(json.dumps(version, sort_keys=True).encode()).hexdigest()
        key = VersionKey(worker_id, part["version_id"], digest)
        versions[key] = version
        shares[key] = part["percentage"]
    return shares


def _crons(store: Store, worker_id: str) -> dict[str, Cron]:
    document = store.get("cf.schedules", worker_id) or {"schedules": []}
    crons: dict[str, Cron] = {}
    for schedule in document["schedules"]:
        try:
            crons[schedule["cron"]] = Cron.parse(schedule["cron"])
        except CronError as problem:
            raise EdgeRejected(f"cron `{schedule['cron']}`: {problem}") from None
    return crons


def _routing(store: Store) -> RoutingTable:
    return RoutingTable(
        [Route(route["pattern"], route.get("script")) for _, route in store.items("cf.routes")],
        [Domain(domain["hostname"], domain["service"]) for _, domain in store.items("cf.domains")],
    )
