"""What every endpoint works with: the store, the clock, long-running operations; and what an endpoint is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from portcullis.sandbox.apigee.management.errors import not_found, precondition
from portcullis.sandbox.clock import Clock
from portcullis.sandbox.rollout import Rollout
from portcullis.sandbox.store import JsonObject, Store

ORGANIZATIONS = "apigee.organizations"
ENVIRONMENTS = "apigee.environments"
GROUPS = "apigee.envgroups"
GROUP_ATTACHMENTS = "apigee.envgroup_attachments"
INSTANCES = "apigee.instances"
INSTANCE_ATTACHMENTS = "apigee.instance_attachments"
TARGET_SERVERS = "apigee.targetservers"
MAPS = "apigee.kvms"
ENTRIES = "apigee.kvm_entries"
ORGANIZATION_SCOPE = "-"
"""What stands in the key of an organization's own maps where an environment's has its name, which it cannot be."""

PROXIES = "apigee.apis"
REVISIONS = "apigee.revisions"
BUNDLES = "apigee.bundles"
DEPLOYMENTS = "apigee.deployments"
SHARED_FLOWS = "apigee.sharedflows"
SHARED_FLOW_REVISIONS = "apigee.sharedflow_revisions"
SHARED_FLOW_DEPLOYMENTS = "apigee.sharedflow_deployments"
FLOW_HOOKS = "apigee.flowhooks"
KEYSTORES = "apigee.keystores"
ALIASES = "apigee.aliases"
REFERENCES = "apigee.references"
RESOURCE_FILES = "apigee.resourcefiles"
DEBUG_MASKS = "apigee.debugmasks"
DEBUG_SESSIONS = "apigee.debugsessions"
PRODUCTS = "apigee.products"
DEVELOPERS = "apigee.developers"
APPS = "apigee.apps"
OPERATIONS = "apigee.operations"

IN_AN_ENVIRONMENT = (
    TARGET_SERVERS,
    MAPS,
    ENTRIES,
    FLOW_HOOKS,
    KEYSTORES,
    ALIASES,
    REFERENCES,
    RESOURCE_FILES,
    DEBUG_MASKS,
    DEBUG_SESSIONS,
)
"""What is gone with its environment; keys start with `ORGANIZATION/ENVIRONMENT/`."""

_KEPT_OPERATIONS = 200


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON."""

    content: bytes
    media_type: str


NO_CONTENT = Raw(b"", "")
"""An answer 204."""

Answer: TypeAlias = "JsonObject | list[Any] | Raw"


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        path: the path, without the version and slashes at its ends.
        names: what the route's placeholders stand for.
        query: the query parameters.
        body: the JSON body, {} when there is none.
        content: the body as it came, for uploads.
        content_type: its media type.
        form: the parts of a form by name, files and texts alike.
    """

    path: str
    names: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: JsonObject = field(default_factory=dict[str, Any])
    content: bytes = b""
    content_type: str = ""
    form: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    def key(self, *names: str) -> str:
        """The store's key made of these placeholders."""
        return "/".join(self.names[name] for name in names)

    def flag(self, name: str) -> bool:
        """Whether a query parameter is `true`."""
        return self.query.get(name, "").lower() == "true"


def _no_traces() -> list[JsonObject]:
    return []


class Service:
    """The store behind the API, and the little that all resources have in common."""

    def __init__(
        self,
        store: Store,
        validate_bundle: Callable[[bytes], list[str]],
        clock: Clock,
        lro_delay_seconds: float,
        undeployable: Callable[[bytes, Mapping[str, bytes]], list[str]] | None = None,
        traces: Callable[[], list[JsonObject]] | None = None,
        rollout: Callable[[], Rollout] = Rollout,
    ) -> None:
        self.store = store
        self.validate_bundle = validate_bundle
        self._undeployable = undeployable
        self.traces: Callable[[], list[JsonObject]] = traces or _no_traces
        self.rollout = rollout
        self._clock = clock
        self._delay = lro_delay_seconds

    def undeployable(self, bundle: bytes, resources: Mapping[str, bytes]) -> list[str]:
        """Name what keeps a bundle from running where the environment has these resource files, by type/name."""
        return self._undeployable(bundle, resources) if self._undeployable else self.validate_bundle(bundle)

    def now(self) -> str:
        """The time as the API writes it: milliseconds since the epoch, in text."""
        return str(int(self._clock.now() * 1000))

    def find(self, collection: str, key: str, called: str) -> JsonObject:
        """Return a document.

        Raises:
            ManagementError: 404; `called` is the resource's full name.
        """
        document = self.store.get(collection, key)
        if document is None:
            raise not_found(f"resource {called} not found")
        return document

    def organization(self, call: Call) -> JsonObject:
        """Return the organization that the path names, or raise 404."""
        name = call.names["org"]
        return self.find(ORGANIZATIONS, name, f"organizations/{name}")

    def environment(self, call: Call) -> JsonObject:
        """Return the environment that the path names, or raise 404."""
        self.organization(call)
        return self.find(
            ENVIRONMENTS,
            call.key("org", "env"),
            f"organizations/{call.names['org']}/environments/{call.names['env']}",
        )

    def list(self, collection: str, prefix: str) -> list[JsonObject]:
        """Return the documents whose keys start with `prefix` and a slash."""
        return [document for _, document in self.store.items(collection, f"{prefix}/")]

    def delete_all(self, collection: str, prefix: str) -> None:
        """Delete the documents, and their blobs, whose keys start with `prefix` and a slash."""
        for key, _ in self.store.items(collection, f"{prefix}/"):
            self.store.delete_blob(collection, key)
            self.store.delete(collection, key)

    # ---- long-running operations ----

    def begin(self, call: Call) -> None:
        """Refuse while another operation of the organization is under way, as Apigee does.

        Raises:
            ManagementError: 400.
        """
        for key, operation in self.store.items(OPERATIONS, f"{call.names['org']}/"):
            if not self._done(operation):
                raise precondition(f"the resource is locked by another operation: organizations/{key} is in progress")

    def operation(self, org: str, target: str, kind: str, response: JsonObject) -> JsonObject:
        """Return the operation that has just been carried out; with a delay it is not yet seen as done."""
        identity = str(uuid.uuid4())
        operation: JsonObject = {
            "name": f"organizations/{org}/operations/{identity}",
            "metadata": {
                "@type": "type.googleapis.com/google.cloud.apigee.v1.OperationMetadata",
                "operationType": kind,
                "targetResourceName": target,
            },
            "response": response,
            "_done_at": self._clock.now() + self._delay,
        }
        self.store.put(OPERATIONS, f"{org}/{identity}", operation)
        for key, _ in self.store.items(OPERATIONS, f"{org}/")[:-_KEPT_OPERATIONS]:
            self.store.delete(OPERATIONS, key)
        return self.shown(operation)

    def shown(self, operation: JsonObject) -> JsonObject:
        """Return the operation as it looks now."""
        done = self._done(operation)
        metadata = {**operation["metadata"], "state": "FINISHED" if done else "IN_PROGRESS"}
        answer: JsonObject = {"name": operation["name"], "metadata": metadata, "done": done}
        return {**answer, "response": operation["response"]} if done else answer

    def _done(self, operation: JsonObject) -> bool:
        return self._clock.now() >= operation["_done_at"]


Handler: TypeAlias = "Callable[[Service, Call], Answer]"


@dataclass(frozen=True)
class Endpoint:
    """A method and a path (`organizations/{org}/apis/{api}`) and what answers them."""

    method: str
    path: str
    handler: Handler


def public(document: JsonObject) -> JsonObject:
    """Return a document without the members that are the emulation's own."""
    return {name: value for name, value in document.items() if not name.startswith("_")}
