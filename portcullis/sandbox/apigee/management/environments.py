"""Environments, environment groups, and which environments a group leads to."""

from __future__ import annotations

import uuid

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, precondition
from portcullis.sandbox.apigee.management.messages import (
    BOOL,
    INT32,
    INT64,
    TEXT,
    check,
    require,
    require_name,
    require_one_of,
)
from portcullis.sandbox.apigee.management.service import (
    DEPLOYMENTS,
    ENVIRONMENTS,
    GROUP_ATTACHMENTS,
    GROUPS,
    IN_AN_ENVIRONMENT,
    INSTANCE_ATTACHMENTS,
    SHARED_FLOW_DEPLOYMENTS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_ENVIRONMENT = {
    "name": TEXT,
    "displayName": TEXT,
    "description": TEXT,
    "deploymentType": TEXT,
    "apiProxyType": TEXT,
    "nodeConfig": {"minNodeCount": INT64, "maxNodeCount": INT64, "currentAggregateNodeCount": INT64},
    "type": TEXT,
    "forwardProxyUri": TEXT,
    "properties": {"property": [{"name": TEXT, "value": TEXT}]},
    "clientIpResolutionConfig": {"headerIndexAlgorithm": {"ipHeaderName": TEXT, "ipHeaderIndex": INT32}},
    "hasAttachedFlowHooks": BOOL,
    "state": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}
_GROUP = {
    "name": TEXT,
    "hostnames": [TEXT],
    "state": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}
_ATTACHMENT = {"name": TEXT, "environment": TEXT, "environmentGroupId": TEXT, "createdAt": INT64}
_TYPES = ("BASE", "INTERMEDIATE", "COMPREHENSIVE")
_HOSTNAME = r"(?=.{1,253}$)(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"


def _type(message: str) -> str:
    return f"type.googleapis.com/google.cloud.apigee.v1.{message}"


def _checked(call: Call) -> JsonObject:
    body = check(call.body, _ENVIRONMENT, "environment")
    require_one_of(body, "deploymentType", "environment", "PROXY", "ARCHIVE")
    require_one_of(body, "apiProxyType", "environment", "PROGRAMMABLE", "CONFIGURABLE")
    require_one_of(body, "type", "environment", *_TYPES)
    return body


def _create(service: Service, call: Call) -> Answer:
    body = _checked(call)
    organization = service.organization(call)
    require(body, "environment", "name")
    require_name(body["name"], r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", "environment.name")
    service.begin(call)
    org, name = organization["name"], body["name"]
    if service.store.get(ENVIRONMENTS, f"{org}/{name}"):
        raise already_exists(f"environment organizations/{org}/environments/{name} already exists")
    now = service.now()
    environment: JsonObject = {
        "deploymentType": "PROXY",
        "apiProxyType": "PROGRAMMABLE",
        "type": "COMPREHENSIVE",
        **body,
        "nodeConfig": _nodes(body),
        "state": "ACTIVE",
        "createdAt": now,
        "lastModifiedAt": now,
    }
    service.store.put(ENVIRONMENTS, f"{org}/{name}", environment)
    response = {"@type": _type("Environment"), **environment}
    return service.operation(org, f"organizations/{org}/environments/{name}", "INSERT", response)


def _nodes(body: JsonObject) -> JsonObject:
    return {"minNodeCount": "2", "maxNodeCount": "1000", **body.get("nodeConfig", {}), "currentAggregateNodeCount": "2"}


def _get(service: Service, call: Call) -> Answer:
    return service.environment(call)


def _list(service: Service, call: Call) -> Answer:
    service.organization(call)
    return [item["name"] for item in service.list(ENVIRONMENTS, call.names["org"])]


def _update(service: Service, call: Call) -> Answer:
    """Replace what can be replaced (updateEnvironment)."""
    body = _checked(call)
    old = service.environment(call)
    for name in ("deploymentType", "apiProxyType", "type"):
        if body.get(name, old[name]) != old[name]:
            called = {"type": "environment type"}.get(name, name)
            raise bad_field(f"environment.{name}", f"updating {called} is not supported today")
    kept = {name: old[name] for name in ("name", "deploymentType", "apiProxyType", "type", "state", "createdAt")}
    nodes = _nodes(body) if "nodeConfig" in body else old["nodeConfig"]
    environment = {**body, **kept, "nodeConfig": nodes, "lastModifiedAt": service.now()}
    service.store.put(ENVIRONMENTS, call.key("org", "env"), environment)
    return environment


def _modify(service: Service, call: Call) -> Answer:
    """Change the type or the number of nodes (modifyEnvironment)."""
    body = _checked(call)
    environment = service.environment(call)
    mask = {name for name in call.query.get("updateMask", "").split(",") if name}
    allowed = {"type", "nodeConfig", "description", "displayName", "properties", "clientIpResolutionConfig"}
    if not mask or not mask <= allowed:
        raise bad_field("update_mask", f"updateMask must name what changes, of: {', '.join(sorted(allowed))}")
    service.begin(call)
    for name in mask:
        environment[name] = _nodes(body) if name == "nodeConfig" else body.get(name)
    environment = {name: value for name, value in environment.items() if value is not None}
    environment["lastModifiedAt"] = service.now()
    service.store.put(ENVIRONMENTS, call.key("org", "env"), environment)
    response = {"@type": _type("Environment"), **environment}
    return service.operation(call.names["org"], call.path, "UPDATE", response)


def _delete(service: Service, call: Call) -> Answer:
    environment = service.environment(call)
    service.begin(call)
    org, name, key = call.names["org"], call.names["env"], call.key("org", "env")
    blocking = [
        *_attached(service, GROUP_ATTACHMENTS, org, name, "environment group", "envgroups"),
        *_attached(service, INSTANCE_ATTACHMENTS, org, name, "instance", "instances"),
    ]
    blocking += [
        _blocked(f"{call.path}/apis/{item['apiProxy']}/revisions/{item['revision']}", "a proxy is deployed")
        for item in service.list(DEPLOYMENTS, key)
    ]
    blocking += [
        _blocked(
            f"{call.path}/sharedflows/{item['apiProxy']}/revisions/{item['revision']}", "a shared flow is deployed"
        )
        for item in service.list(SHARED_FLOW_DEPLOYMENTS, key)
    ]
    if blocking:
        raise precondition(f"environment {call.path} is in use and cannot be deleted", blocking)
    for collection in IN_AN_ENVIRONMENT:
        service.delete_all(collection, key)
    service.store.delete(ENVIRONMENTS, key)
    return service.operation(org, call.path, "DELETE", {"@type": _type("Environment"), **environment})


def _attached(
    service: Service, collection: str, org: str, environment: str, called: str, plural: str
) -> list[JsonObject]:
    found = service.store.items(collection, f"{org}/")
    return [
        _blocked(f"organizations/{org}/{plural}/{key.split('/')[1]}", f"the environment is attached to this {called}")
        for key, item in found
        if item["environment"] == environment
    ]


def _blocked(subject: str, why: str) -> JsonObject:
    return {"type": "WOULD_BREAK_DEPENDENT", "subject": subject, "description": why}


# ---- groups ----


def _create_group(service: Service, call: Call) -> Answer:
    body = check(call.body, _GROUP, "environment_group")
    service.organization(call)
    require(body, "environment_group", "name")
    require_name(body["name"], r"[a-z0-9][._a-z0-9-]{0,62}", "environment_group.name")
    service.begin(call)
    org, name = call.names["org"], body["name"]
    if service.store.get(GROUPS, f"{org}/{name}"):
        raise already_exists(f"environment group organizations/{org}/envgroups/{name} already exists")
    now = service.now()
    hostnames = _hostnames(service, org, name, body.get("hostnames", []))
    group: JsonObject = {
        "name": name,
        "hostnames": hostnames,
        "state": "ACTIVE",
        "createdAt": now,
        "lastModifiedAt": now,
    }
    service.store.put(GROUPS, f"{org}/{name}", group)
    response = {"@type": _type("EnvironmentGroup"), **group}
    return service.operation(org, f"organizations/{org}/envgroups/{name}", "INSERT", response)


def _hostnames(service: Service, org: str, name: str, hostnames: list[str]) -> list[str]:
    """Check hostnames: well-formed, and no other group's."""
    for hostname in hostnames:
        require_name(hostname, _HOSTNAME, "environment_group.hostnames")
        for key, group in service.store.items(GROUPS):
            if hostname in group["hostnames"] and key != f"{org}/{name}":
                owner = "organizations/{}/envgroups/{}".format(*key.split("/"))
                raise already_exists(f"hostname {hostname} is already used by {owner}")
    if len(set(hostnames)) != len(hostnames):
        raise bad_field("environment_group.hostnames", "a hostname is given twice")
    return hostnames


def _group(service: Service, call: Call) -> JsonObject:
    service.organization(call)
    target = f"organizations/{call.names['org']}/envgroups/{call.names['group']}"
    return service.find(GROUPS, call.key("org", "group"), target)


def _get_group(service: Service, call: Call) -> Answer:
    return _group(service, call)


def _list_groups(service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(GROUPS, call.names["org"])
    return {"environmentGroups": found} if found else {}


def _update_group(service: Service, call: Call) -> Answer:
    body = check(call.body, _GROUP, "environment_group")
    group = _group(service, call)
    if call.query.get("updateMask", "hostnames") != "hostnames":
        raise bad_field("update_mask", "only hostnames can be updated")
    service.begin(call)
    org = call.names["org"]
    group["hostnames"] = _hostnames(service, org, call.names["group"], body.get("hostnames", []))
    group["lastModifiedAt"] = service.now()
    service.store.put(GROUPS, call.key("org", "group"), group)
    return service.operation(org, call.path, "UPDATE", {"@type": _type("EnvironmentGroup"), **group})


def _delete_group(service: Service, call: Call) -> Answer:
    group = _group(service, call)
    service.begin(call)
    key = call.key("org", "group")
    if service.list(GROUP_ATTACHMENTS, key):
        raise precondition(f"environment group {call.path} has environments attached: detach them first")
    service.store.delete(GROUPS, key)
    response = {"@type": _type("EnvironmentGroup"), **group}
    return service.operation(call.names["org"], call.path, "DELETE", response)


# ---- attachments ----


def _attach(service: Service, call: Call) -> Answer:
    body = check(call.body, _ATTACHMENT, "environment_group_attachment")
    group = _group(service, call)
    require(body, "environment_group_attachment", "environment")
    org, environment = call.names["org"], body["environment"]
    service.find(ENVIRONMENTS, f"{org}/{environment}", f"organizations/{org}/environments/{environment}")
    service.begin(call)
    key = call.key("org", "group")
    if any(item["environment"] == environment for item in service.list(GROUP_ATTACHMENTS, key)):
        raise already_exists(f"environment {environment} is already attached to environment group {group['name']}")
    name = str(uuid.uuid4())
    attachment: JsonObject = {
        "name": name,
        "environment": environment,
        "environmentGroupId": group["name"],
        "createdAt": service.now(),
    }
    service.store.put(GROUP_ATTACHMENTS, f"{key}/{name}", attachment)
    response = {"@type": _type("EnvironmentGroupAttachment"), **attachment}
    return service.operation(org, f"{call.path}/{name}", "INSERT", response)


def _attachment(service: Service, call: Call) -> JsonObject:
    _group(service, call)
    return service.find(GROUP_ATTACHMENTS, call.key("org", "group", "attachment"), call.path)


def _get_attachment(service: Service, call: Call) -> Answer:
    return _attachment(service, call)


def _list_attachments(service: Service, call: Call) -> Answer:
    _group(service, call)
    found = service.list(GROUP_ATTACHMENTS, call.key("org", "group"))
    return {"environmentGroupAttachments": found} if found else {}


def _detach(service: Service, call: Call) -> Answer:
    attachment = _attachment(service, call)
    service.begin(call)
    service.store.delete(GROUP_ATTACHMENTS, call.key("org", "group", "attachment"))
    response = {"@type": _type("EnvironmentGroupAttachment"), **attachment}
    return service.operation(call.names["org"], call.path, "DELETE", response)


_ENVIRONMENTS = "organizations/{org}/environments"
_GROUPS = "organizations/{org}/envgroups"
_ATTACHMENTS = f"{_GROUPS}/{{group}}/attachments"

ENDPOINTS = (
    Endpoint("GET", _ENVIRONMENTS, _list),
    Endpoint("POST", _ENVIRONMENTS, _create),
    Endpoint("GET", f"{_ENVIRONMENTS}/{{env}}", _get),
    Endpoint("PUT", f"{_ENVIRONMENTS}/{{env}}", _update),
    Endpoint("PATCH", f"{_ENVIRONMENTS}/{{env}}", _modify),
    Endpoint("DELETE", f"{_ENVIRONMENTS}/{{env}}", _delete),
    Endpoint("GET", _GROUPS, _list_groups),
    Endpoint("POST", _GROUPS, _create_group),
    Endpoint("GET", f"{_GROUPS}/{{group}}", _get_group),
    Endpoint("PATCH", f"{_GROUPS}/{{group}}", _update_group),
    Endpoint("DELETE", f"{_GROUPS}/{{group}}", _delete_group),
    Endpoint("GET", _ATTACHMENTS, _list_attachments),
    Endpoint("POST", _ATTACHMENTS, _attach),
    Endpoint("GET", f"{_ATTACHMENTS}/{{attachment}}", _get_attachment),
    Endpoint("DELETE", f"{_ATTACHMENTS}/{{attachment}}", _detach),
)
