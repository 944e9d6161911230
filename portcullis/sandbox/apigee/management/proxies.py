"""API proxies and their revisions: a bundle that is imported makes a new revision."""

from __future__ import annotations

from portcullis.sandbox.apigee.management.bundles import BundleError, Contents, read
from portcullis.sandbox.apigee.management.errors import ManagementError, invalid, precondition
from portcullis.sandbox.apigee.management.messages import require_name
from portcullis.sandbox.apigee.management.service import (
    BUNDLES,
    DEPLOYMENTS,
    PROXIES,
    REVISIONS,
    Answer,
    Call,
    Endpoint,
    Raw,
    Service,
)
from portcullis.sandbox.store import JsonObject

_PROXY_NAME = r"[A-Za-z0-9._-]+"


def bundle_key(org: str, proxy: str, revision: str) -> str:
    """The key of a revision's bundle among the blobs."""
    return f"{org}/apis/{proxy}/{revision}"


def bad_bundle(problems: list[str]) -> ManagementError:
    """The refusal of a bundle, naming what is wrong with it."""
    violations = [{"filename": problem.partition(":")[0], "description": problem} for problem in problems]
    detail = {"@type": "type.googleapis.com/edge.configstore.bundle.BadBundle", "violations": violations}
    # The message alone is what some clients show, so it names the problems too.
    return ManagementError("INVALID_ARGUMENT", f"bundle contains errors: {'; '.join(problems)}", [detail])


def _import(service: Service, call: Call) -> Answer:
    service.organization(call)
    action, name = call.query.get("action", ""), call.query.get("name", "")
    if action not in ("import", "validate"):
        raise invalid('the query parameter action must be "import" or "validate"')
    require_name(name, _PROXY_NAME, "name")
    if not call.content_type or not call.content:
        raise invalid("the body must be the bundle's zip file, as application/octet-stream or multipart/form-data")
    contents = _validated(service, call.content)
    if action == "validate":
        return _revision(service, name, "0", contents)
    return _store(service, call, name, contents)


def _validated(service: Service, bundle: bytes) -> Contents:
    try:
        contents = read(bundle)
    except BundleError as problem:
        raise bad_bundle([str(problem)]) from None
    problems = service.validate_bundle(bundle)
    if problems:
        raise bad_bundle(problems)
    return contents


def _store(service: Service, call: Call, name: str, contents: Contents) -> JsonObject:
    org, now = call.names["org"], service.now()
    proxy = service.store.get(PROXIES, f"{org}/{name}") or {
        "name": name,
        "revision": [],
        "apiProxyType": "PROGRAMMABLE",
        "metaData": {"createdAt": now, "subType": "Proxy"},
        "_last": 0,
    }
    number = str(proxy["_last"] + 1)
    revision = _revision(service, name, number, contents)
    proxy = {
        **proxy,
        "revision": [*proxy["revision"], number],
        "latestRevisionId": number,
        # It moves on an import only: the provider takes any other move for somebody else's import.
        "metaData": {**proxy["metaData"], "lastModifiedAt": _later(proxy["metaData"], now)},
        "_last": int(number),
    }
    service.store.put_blob(BUNDLES, bundle_key(org, name, number), call.content)
    service.store.put(REVISIONS, f"{org}/{name}/{number}", revision)
    service.store.put(PROXIES, f"{org}/{name}", proxy)
    return revision


def _later(metadata: JsonObject, now: str) -> str:
    """Return the time, later than the last one even where the clock stands still."""
    return str(max(int(now), int(metadata.get("lastModifiedAt", "0")) + 1))


def _revision(service: Service, name: str, number: str, contents: Contents) -> JsonObject:
    now = service.now()
    return {
        "name": name,
        "revision": number,
        "basepaths": list(contents.basepaths),
        "proxies": list(contents.proxies),
        "proxyEndpoints": list(contents.proxies),
        "targets": list(contents.targets),
        "targetEndpoints": list(contents.targets),
        "targetServers": list(contents.target_servers),
        "policies": list(contents.policies),
        "resources": list(contents.resources),
        "configurationVersion": {"majorVersion": 4},
        "contextInfo": f"Revision {number} of application {name}",
        "entityMetaDataAsProperties": {"bundle_type": "zip", "subType": "Proxy"},
        "type": "Application",
        "createdAt": now,
        "lastModifiedAt": now,
    }


def _proxy(service: Service, call: Call) -> JsonObject:
    service.organization(call)
    target = f"organizations/{call.names['org']}/apis/{call.names['api']}"
    return service.find(PROXIES, call.key("org", "api"), target)


def _get(service: Service, call: Call) -> Answer:
    return _proxy(service, call)


def _list(service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(PROXIES, call.names["org"])
    revisions = call.flag("includeRevisions")
    return {"proxies": [_listed(item, revisions) for item in found]} if found else {}


def _listed(proxy: JsonObject, revisions: bool) -> JsonObject:
    entry: JsonObject = {"name": proxy["name"], "apiProxyType": proxy["apiProxyType"]}
    return {**entry, "revision": proxy["revision"]} if revisions else entry


def _delete(service: Service, call: Call) -> Answer:
    proxy = _proxy(service, call)
    org, name = call.names["org"], proxy["name"]
    _refuse_deployed(service, org, name, "")
    for number in proxy["revision"]:
        service.store.delete_blob(BUNDLES, bundle_key(org, name, number))
    service.delete_all(REVISIONS, f"{org}/{name}")
    service.store.delete(PROXIES, f"{org}/{name}")
    return proxy


def _refuse_deployed(service: Service, org: str, name: str, revision: str) -> None:
    """Refuse to delete a proxy, or one revision of it, that is deployed."""
    deployed = [
        f"organizations/{org}/environments/{item['environment']}/apis/{name}/revisions/{item['revision']}"
        for item in service.list(DEPLOYMENTS, org)
        if item["apiProxy"] == name and revision in ("", item["revision"])
    ]
    if deployed:
        violations = [
            {"type": "WOULD_BREAK_DEPENDENT", "subject": subject, "description": "the revision is deployed"}
            for subject in deployed
        ]
        raise precondition(f"cannot delete organizations/{org}/apis/{name}: undeploy it first", violations)


def _list_revisions(service: Service, call: Call) -> Answer:
    return list(_proxy(service, call)["revision"])


def _get_revision(service: Service, call: Call) -> Answer:
    _proxy(service, call)
    revision = service.find(REVISIONS, call.key("org", "api", "revision"), call.path)
    if call.query.get("format") != "bundle":
        return revision
    bundle = service.store.get_blob(BUNDLES, bundle_key(*(call.names[part] for part in ("org", "api", "revision"))))
    return Raw(bundle or b"", "application/zip")


def _delete_revision(service: Service, call: Call) -> Answer:
    proxy = _proxy(service, call)
    org, name, number = (call.names[part] for part in ("org", "api", "revision"))
    revision = service.find(REVISIONS, f"{org}/{name}/{number}", call.path)
    _refuse_deployed(service, org, name, number)
    rest = [item for item in proxy["revision"] if item != number]
    if not rest:
        raise precondition(f"organizations/{org}/apis/{name} has no other revision: delete the proxy instead")
    service.store.delete_blob(BUNDLES, bundle_key(org, name, number))
    service.store.delete(REVISIONS, f"{org}/{name}/{number}")
    service.store.put(PROXIES, f"{org}/{name}", {**proxy, "revision": rest, "latestRevisionId": rest[-1]})
    return revision


_APIS = "organizations/{org}/apis"
_REVISIONS = f"{_APIS}/{{api}}/revisions"

ENDPOINTS = (
    Endpoint("GET", _APIS, _list),
    Endpoint("POST", _APIS, _import),
    Endpoint("GET", f"{_APIS}/{{api}}", _get),
    Endpoint("DELETE", f"{_APIS}/{{api}}", _delete),
    Endpoint("GET", _REVISIONS, _list_revisions),
    Endpoint("GET", f"{_REVISIONS}/{{revision}}", _get_revision),
    Endpoint("DELETE", f"{_REVISIONS}/{{revision}}", _delete_revision),
)
