"""The two kinds of bundles that are imported, kept by revision and deployed: API proxies and shared flows."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.sandbox.apigee.management import bundles
from portcullis.sandbox.apigee.management.service import (
    DEPLOYMENTS,
    PROXIES,
    REVISIONS,
    SHARED_FLOW_DEPLOYMENTS,
    SHARED_FLOW_REVISIONS,
    SHARED_FLOWS,
)


@dataclass(frozen=True)
class Kind:
    """One kind: the word for it in paths, the collections it is kept in, and how the API describes it.

    `root` is the bundle's top folder, `listed` the member that lists all of a kind, `sub_type` what metadata call it.
    """

    path: str
    collection: str
    revisions: str
    deployments: str
    root: str
    listed: str
    sub_type: str


PROXY = Kind("apis", PROXIES, REVISIONS, DEPLOYMENTS, bundles.PROXY_ROOT, "proxies", "Proxy")
SHARED_FLOW = Kind(
    "sharedflows",
    SHARED_FLOWS,
    SHARED_FLOW_REVISIONS,
    SHARED_FLOW_DEPLOYMENTS,
    bundles.SHARED_FLOW_ROOT,
    "sharedFlows",
    "SharedFlow",
)
KINDS = (PROXY, SHARED_FLOW)
