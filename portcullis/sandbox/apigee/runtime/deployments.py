"""What is deployed: which hostnames lead to which environments, and which proxy answers for a path."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from portcullis.sandbox.apigee.runtime.context import Hook, Place
from portcullis.sandbox.apigee.runtime.elements import BundleError
from portcullis.sandbox.apigee.runtime.model import Bundle, ProxyEndpoint, SharedFlow
from portcullis.sandbox.apigee.runtime.properties import parse_properties
from portcullis.sandbox.apigee.runtime.values import Value
from portcullis.sandbox.loopback import is_loopback
from portcullis.sandbox.store import Store

_LOG = logging.getLogger(__name__)

FLOW_HOOKS = "apigee.flowhooks"
RESOURCE_FILES = "apigee.resourcefiles"

_KIND_OF_DEPLOYMENT = {"apigee.deployments": "apis", "apigee.sharedflow_deployments": "sharedflows"}


@dataclass(frozen=True)
class Deployment:
    """One live revision of a proxy in one environment."""

    place: Place
    bundle: Bundle


@dataclass(frozen=True)
class Match:
    """The proxy endpoint that answers for a request.

    `suffix` is what of the path is below the endpoint's base path.
    """

    deployment: Deployment
    proxy: ProxyEndpoint
    suffix: str


@dataclass(frozen=True)
class _Source:
    """What a bundle is compiled from: its zip, and the environment's resource files."""

    data: bytes
    resources: Mapping[str, bytes]


@dataclass(frozen=True)
class _Compiled:
    source: _Source
    bundle: Bundle


class Deployments:
    """The compiled bundles of everything deployed, read from the store when something has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled: dict[str, _Compiled] = {}
        self._live: dict[tuple[str, str], list[Deployment]] | None = None
        self._shared: dict[tuple[str, str, str], Deployment] = {}
        self._hosts: dict[str, list[tuple[str, str]]] = {}

    def reload(self) -> None:
        """Read the store again at the next request."""
        self._live = None

    def hostnames(self) -> set[str]:
        """Return every hostname of an environment group."""
        self._refresh()
        return set(self._hosts)

    def match(self, hostname: str, path: str) -> Match | None:
        """Return the proxy with the longest base path on the hostname; loopback is any hostname."""
        live = self._refresh()
        places = self._hosts.get(hostname) or self._hosts.get("*." + hostname.partition(".")[2], [])
        if not places and is_loopback(hostname):
            places = [place for listed in self._hosts.values() for place in listed]
        found = [d for place in dict.fromkeys(places) for d in live.get(place, [])]
        return _best(found, path)

    def local(self, place: Place, proxy: str, endpoint: str, path: str, *, whole: bool) -> Match | None:
        """Return what a local connection leads to: an endpoint of a proxy by their names, or the one for a path."""
        live = self._refresh().get((place.organization, place.environment), [])
        if not proxy:
            return _best(live, path)
        for deployment in live:
            for one in deployment.bundle.proxies:
                if deployment.place.bundle == proxy and endpoint in ("", one.name):
                    base = one.base_path.rstrip("/")
                    suffix = path.removeprefix(base) if whole and f"{path}/".startswith(f"{base}/") else path
                    return Match(deployment, one, suffix)
        return None

    def shared_flow(self, place: Place, name: str) -> tuple[Deployment, SharedFlow] | None:
        """Return the shared flow of that name deployed in the place's environment."""
        self._refresh()
        deployment = self._shared.get((place.organization, place.environment, name))
        if deployment is None or not deployment.bundle.shared_flows:
            return None
        flows = deployment.bundle.shared_flows
        return deployment, flows.get("default") or next(iter(flows.values()))

    def _refresh(self) -> dict[tuple[str, str], list[Deployment]]:
        if self._live is not None:
            return self._live
        live: dict[tuple[str, str], list[Deployment]] = {}
        shared: dict[tuple[str, str, str], Deployment] = {}
        for collection, kind in _KIND_OF_DEPLOYMENT.items():
            for key, document in self._store.items(collection):
                organization, environment, name = key.split("/", 2)
                deployment = self._deployment(organization, environment, kind, name, str(document["revision"]))
                if deployment is None:
                    continue
                if kind == "apis":
                    live.setdefault((organization, environment), []).append(deployment)
                else:
                    shared[organization, environment, name] = deployment
        self._live, self._shared, self._hosts = live, shared, self._read_hosts()
        return live

    def _deployment(
        self, organization: str, environment: str, kind: str, name: str, revision: str
    ) -> Deployment | None:
        data = self._store.get_blob("apigee.bundles", f"{organization}/{kind}/{name}/{revision}")
        if data is None:
            return None
        resources = _environment_resources(self._store, organization, environment)
        bundle = self._compile(f"{organization}/{environment}/{kind}/{name}", _Source(data, resources))
        if bundle is None:
            return None
        constants: dict[str, Value] = {
            "organization.name": organization,
            "environment.name": environment,
            "apiproxy.name": name,
            "apiproxy.revision": revision,
            "system.region.name": "local",
            "system.pod.name": "sandbox",
            **_property_sets(resources),
            **bundle.properties,
        }
        hooks = self._hooks(f"{organization}/{environment}")
        place = Place(
            organization,
            environment,
            name,
            revision,
            constants,
            {**resources, **bundle.resources},
            hooks,
            policies=bundle.policies,
        )
        return Deployment(place, bundle)

    def _hooks(self, place: str) -> dict[str, Hook]:
        return {
            key.rpartition("/")[2]: Hook(str(document["sharedFlow"]), bool(document.get("continueOnError", True)))
            for key, document in self._store.items(FLOW_HOOKS, f"{place}/")
            if document.get("sharedFlow")
        }

    def _compile(self, key: str, source: _Source) -> Bundle | None:
        """Return the compiled bundle; one whose resource files are gone or broken since keeps running as it was."""
        known = self._compiled.get(key)
        if known is not None and known.source == source:
            return known.bundle
        found = compile_bundle(source.data, source.resources)
        if found.bundle is None:
            for problem in found.problems:
                _LOG.error("%s: %s", key, problem)
            return known.bundle if known is not None and known.source.data == source.data else None
        for warning in found.bundle.warnings:
            _LOG.warning("%s: %s", key, warning)
        self._compiled[key] = _Compiled(source, found.bundle)
        return found.bundle

    def _read_hosts(self) -> dict[str, list[tuple[str, str]]]:
        groups: Mapping[str, list[str]] = {
            key: [str(name).lower() for name in document.get("hostnames", [])]
            for key, document in self._store.items("apigee.envgroups")
        }
        hosts: dict[str, list[tuple[str, str]]] = {}
        for key, document in self._store.items("apigee.envgroup_attachments"):
            organization, group, _ = key.split("/", 2)
            for name in groups.get(f"{organization}/{group}", []):
                hosts.setdefault(name, []).append((organization, str(document["environment"])))
        return hosts


def _environment_resources(store: Store, organization: str, environment: str) -> dict[str, bytes]:
    """Return the resource files of an environment, by type/name."""
    prefix = f"{organization}/{environment}/"
    return {
        key.removeprefix(prefix): store.get_blob(RESOURCE_FILES, key) or b""
        for key, _ in store.items(RESOURCE_FILES, prefix)
    }


def _property_sets(resources: Mapping[str, bytes]) -> dict[str, Value]:
    """Return the variables of an environment's property sets; a bundle's own count more."""
    found: dict[str, Value] = {}
    for path, data in resources.items():
        kind, _, name = path.partition("/")
        if kind != "properties":
            continue
        try:
            values = parse_properties(data, name)
        except BundleError as error:
            _LOG.error("%s", error)
            continue
        prefix = name.removesuffix(".properties")
        found.update({f"propertyset.{prefix}.{entry}": value for entry, value in values.items()})
    return found


def _best(deployments: Sequence[Deployment], path: str) -> Match | None:
    """Return the endpoint with the longest base path; of two as long, the one with fewer wildcards, then the first."""
    found: tuple[tuple[int, int], Match] | None = None
    for deployment in deployments:
        for proxy in deployment.bundle.proxies:
            suffix = _below(proxy.base_path, path)
            if suffix is None:
                continue
            parts = proxy.base_path.split("/")
            rank = (len(parts) if proxy.base_path != "/" else 0, -parts.count("*"))
            if found is None or rank > found[0]:
                found = rank, Match(deployment, proxy, suffix)
    return found[1] if found else None


def _below(base_path: str, path: str) -> str | None:
    """Return what of the path is below the base path, or `None` where it is not below it."""
    if base_path == "/":
        return path
    # A `*` in a base path stands for one segment.
    wanted, found = base_path.split("/"), path.split("/")
    fits = len(found) >= len(wanted) and all(w in ("*", f) for w, f in zip(wanted, found, strict=False))
    if not fits:
        return None
    return "/" + "/".join(found[len(wanted) :]) if len(found) > len(wanted) else ""
