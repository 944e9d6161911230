"""API proxies, shared flows and their revisions: a bundle that is imported makes a new revision."""

from __future__ import annotations

from functools import partial

from portcullis.sandbox.apigee.management.bundles import BundleError, Contents, read
from portcullis.sandbox.apigee.management.errors import ManagementError, invalid, precondition
from portcullis.sandbox.apigee.management.kinds import KINDS, PROXY, Kind
from portcullis.sandbox.apigee.management.messages import require_name
from portcullis.sandbox.apigee.management.service import (
    BUNDLES,
    ENTRIES,
    MAPS,
    Answer,
    Call,
    Endpoint,
    Raw,
    Service,
)
from portcullis.sandbox.store import JsonObject

_PROXY_NAME = r"[A-Za-z0-9._-]+"


def bundle_key(kind: Kind, org: str, name: str, revision: str) -> str:
    """The key of a revision's bundle among the blobs."""
    return f"{org}/{kind.path}/{name}/{revision}"


def bad_bundle(problems: list[str]) -> ManagementError:
    """The refusal of a bundle, naming what is wrong with it."""
    violations = [{"filename": problem.partition(":")[0], "description": problem} for problem in problems]
    detail = {"@type": "type.googleapis.com/edge.configstore.bundle.BadBundle", "violations": violations}
    # The message alone is what some clients show, so it names the problems too.
    return ManagementError("INVALID_ARGUMENT", f"bundle contains errors: {'; '.join(problems)}", [detail])


def _import(kind: Kind, service: Service, call: Call) -> Answer:
    service.organization(call)
    action, name = call.query.get("action", ""), call.query.get("name", "")
    if action not in ("import", "validate"):
        raise invalid('the query parameter action must be "import" or "validate"')
    require_name(name, _PROXY_NAME, "name")
    if not call.content_type or not call.content:
        raise invalid("the body must be the bundle's zip file, as application/octet-stream or multipart/form-data")
    contents = _validated(kind, service, call.content)
    if action == "validate":
        return _revision(kind, service, name, "0", contents)
    return _store(kind, service, call, name, contents)


def _validated(kind: Kind, service: Service, bundle: bytes) -> Contents:
    problems = service.validate_bundle(bundle)
    if problems:
        raise bad_bundle(problems)
    try:
        return read(bundle, kind.root)
    except BundleError as problem:
        raise bad_bundle([str(problem)]) from None


def _store(kind: Kind, service: Service, call: Call, name: str, contents: Contents) -> JsonObject:
    org, now = call.names["org"], service.now()
    proxy = service.store.get(kind.collection, f"{org}/{name}") or {
        "name": name,
        "revision": [],
        **({"apiProxyType": "PROGRAMMABLE"} if kind is PROXY else {}),
        "metaData": {"createdAt": now, "subType": kind.sub_type},
        "_last": 0,
    }
    number = str(proxy["_last"] + 1)
    revision = _revision(kind, service, name, number, contents)
    proxy = {
        **proxy,
        "revision": [*proxy["revision"], number],
        "latestRevisionId": number,
        # It moves on an import only: the provider takes any other move for somebody else's import.
        "metaData": {**proxy["metaData"], "lastModifiedAt": _later(proxy["metaData"], now)},
        "_last": int(number),
    }
    service.store.put_blob(BUNDLES, bundle_key(kind, org, name, number), call.content)
    service.store.put(kind.revisions, f"{org}/{name}/{number}", revision)
    service.store.put(kind.collection, f"{org}/{name}", proxy)
    return revision


def _later(metadata: JsonObject, now: str) -> str:
    """Return the time, later than the last one even where the clock stands still."""
    return str(max(int(now), int(metadata.get("lastModifiedAt", "0")) + 1))


def _revision(kind: Kind, service: Service, name: str, number: str, contents: Contents) -> JsonObject:
    now = service.now()
    own: JsonObject = {
        "basepaths": list(contents.basepaths),
        "proxies": list(contents.proxies),
        "proxyEndpoints": list(contents.proxies),
        "targets": list(contents.targets),
        "targetEndpoints": list(contents.targets),
        "targetServers": list(contents.target_servers),
        "type": "Application",
    }
    return {
        "name": name,
        "revision": number,
        **(own if kind is PROXY else {"sharedFlows": list(contents.shared_flows), "type": "SharedFlow"}),
        "policies": list(contents.policies),
        "resources": list(contents.resources),
        "configurationVersion": {"majorVersion": 4},
        "contextInfo": f"Revision {number} of application {name}",
        "entityMetaDataAsProperties": {"bundle_type": "zip", "subType": kind.sub_type},
        "createdAt": now,
        "lastModifiedAt": now,
        "_calls": list(contents.calls),
    }


def _proxy(kind: Kind, service: Service, call: Call) -> JsonObject:
    service.organization(call)
    target = f"organizations/{call.names['org']}/{kind.path}/{call.names['api']}"
    return service.find(kind.collection, call.key("org", "api"), target)


def _get(kind: Kind, service: Service, call: Call) -> Answer:
    return _proxy(kind, service, call)


def _list(kind: Kind, service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(kind.collection, call.names["org"])
    revisions = call.flag("includeRevisions")
    return {kind.listed: [_listed(item, revisions) for item in found]} if found else {}


def _listed(proxy: JsonObject, revisions: bool) -> JsonObject:
    entry: JsonObject = {key: proxy[key] for key in ("name", "apiProxyType") if key in proxy}
    return {**entry, "revision": proxy["revision"]} if revisions else entry


def _delete(kind: Kind, service: Service, call: Call) -> Answer:
    proxy = _proxy(kind, service, call)
    org, name = call.names["org"], proxy["name"]
    _refuse_deployed(kind, service, org, name, "")
    for number in proxy["revision"]:
        service.store.delete_blob(BUNDLES, bundle_key(kind, org, name, number))
    service.delete_all(kind.revisions, f"{org}/{name}")
    if kind is PROXY:
        for collection in (MAPS, ENTRIES):
            service.delete_all(collection, f"{org}/apis/{name}")
    service.store.delete(kind.collection, f"{org}/{name}")
    return proxy


def _refuse_deployed(kind: Kind, service: Service, org: str, name: str, revision: str) -> None:
    """Refuse to delete a proxy, or one revision of it, that is deployed."""
    deployed = [
        f"organizations/{org}/environments/{item['environment']}/{kind.path}/{name}/revisions/{item['revision']}"
        for item in service.list(kind.deployments, org)
        if item["apiProxy"] == name and revision in ("", item["revision"])
    ]
    if deployed:
        violations = [
            {"type": "WOULD_BREAK_DEPENDENT", "subject": subject, "description": "the revision is deployed"}
            for subject in deployed
        ]
        raise precondition(f"cannot delete organizations/{org}/{kind.path}/{name}: undeploy it first", violations)


def _list_revisions(kind: Kind, service: Service, call: Call) -> Answer:
    return list(_proxy(kind, service, call)["revision"])


def _get_revision(kind: Kind, service: Service, call: Call) -> Answer:
    _proxy(kind, service, call)
    revision = service.find(kind.revisions, call.key("org", "api", "revision"), call.path)
    if call.query.get("format") != "bundle":
        return revision
    bundle = service.store.get_blob(
        BUNDLES, bundle_key(kind, *(call.names[part] for part in ("org", "api", "revision")))
    )
    return Raw(bundle or b"", "application/zip")


def _delete_revision(kind: Kind, service: Service, call: Call) -> Answer:
    proxy = _proxy(kind, service, call)
    org, name, number = (call.names[part] for part in ("org", "api", "revision"))
    revision = service.find(kind.revisions, f"{org}/{name}/{number}", call.path)
    _refuse_deployed(kind, service, org, name, number)
    rest = [item for item in proxy["revision"] if item != number]
    if not rest:
        raise precondition(
            f"organizations/{org}/{kind.path}/{name} has no other revision: delete it as a whole instead"
        )
    service.store.delete_blob(BUNDLES, bundle_key(kind, org, name, number))
    service.store.delete(kind.revisions, f"{org}/{name}/{number}")
    service.store.put(kind.collection, f"{org}/{name}", {**proxy, "revision": rest, "latestRevisionId": rest[-1]})
    return revision


_HANDLERS = (
    ("GET", "", _list),
    ("POST", "", _import),
    ("GET", "/{api}", _get),
    ("DELETE", "/{api}", _delete),
    ("GET", "/{api}/revisions", _list_revisions),
    ("GET", "/{api}/revisions/{revision}", _get_revision),
    ("DELETE", "/{api}/revisions/{revision}", _delete_revision),
)

ENDPOINTS = tuple(
    Endpoint(method, f"organizations/{{org}}/{kind.path}{path}", partial(handler, kind))
    for kind in KINDS
    for method, path, handler in _HANDLERS
)
