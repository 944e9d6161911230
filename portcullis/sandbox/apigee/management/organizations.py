"""Organizations, their instances, what is attached to these, and long-running operations."""

from __future__ import annotations

import hashlib
import uuid

from portcullis.sandbox.apigee.management.errors import already_exists, bad_field, invalid, not_found, precondition
from portcullis.sandbox.apigee.management.messages import (
    BOOL,
    INT64,
    TEXT,
    check,
    require,
    require_name,
    require_one_of,
)
from portcullis.sandbox.apigee.management.service import (
    APPS,
    BUNDLES,
    DEPLOYMENTS,
    DEVELOPERS,
    ENVIRONMENTS,
    GROUP_ATTACHMENTS,
    GROUPS,
    IN_AN_ENVIRONMENT,
    INSTANCE_ATTACHMENTS,
    INSTANCES,
    OPERATIONS,
    ORGANIZATIONS,
    PRODUCTS,
    PROXIES,
    REVISIONS,
    SHARED_FLOW_DEPLOYMENTS,
    SHARED_FLOW_REVISIONS,
    SHARED_FLOWS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_ORGANIZATION = {
    "name": TEXT,
    "displayName": TEXT,
    "description": TEXT,
    "analyticsRegion": TEXT,
    "apiConsumerDataLocation": TEXT,
    "apiConsumerDataEncryptionKeyName": TEXT,
    "controlPlaneEncryptionKeyName": TEXT,
    "runtimeDatabaseEncryptionKeyName": TEXT,
    "authorizedNetwork": TEXT,
    "disableVpcPeering": BOOL,
    "runtimeType": TEXT,
    "billingType": TEXT,
    "subscriptionType": TEXT,
    "subscriptionPlan": TEXT,
    "portalDisabled": BOOL,
    "customerName": TEXT,
    "type": TEXT,
    "state": TEXT,
    "properties": {"property": [{"name": TEXT, "value": TEXT}]},
    "attributes": [TEXT],
    "environments": [TEXT],
    "projectId": TEXT,
    "apigeeProjectId": TEXT,
    "caCertificate": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
    "expiresAt": INT64,
}
_FIXED = (
    "analyticsRegion",
    "runtimeType",
    "billingType",
    "subscriptionType",
    "projectId",
    "apigeeProjectId",
    "state",
    "createdAt",
)
_INSTANCE = {
    "name": TEXT,
    "location": TEXT,
    "peeringCidrRange": TEXT,
    "ipRange": TEXT,
    "description": TEXT,
    "displayName": TEXT,
    "diskEncryptionKeyName": TEXT,
    "consumerAcceptList": [TEXT],
    "accessLoggingConfig": {"enabled": BOOL, "filter": TEXT},
    "host": TEXT,
    "port": TEXT,
    "serviceAttachment": TEXT,
    "runtimeVersion": TEXT,
    "state": TEXT,
    "createdAt": INT64,
    "lastModifiedAt": INT64,
}
_ATTACHMENT = {"name": TEXT, "environment": TEXT, "createdAt": INT64}
_UNDER_AN_ORGANIZATION = (
    ENVIRONMENTS,
    GROUPS,
    GROUP_ATTACHMENTS,
    INSTANCES,
    INSTANCE_ATTACHMENTS,
    *IN_AN_ENVIRONMENT,
    PROXIES,
    REVISIONS,
    DEPLOYMENTS,
    SHARED_FLOWS,
    SHARED_FLOW_REVISIONS,
    SHARED_FLOW_DEPLOYMENTS,
    PRODUCTS,
    DEVELOPERS,
    APPS,
)


def _create_organization(service: Service, call: Call) -> Answer:
    body = check(call.body, _ORGANIZATION, "organization")
    parent = call.query.get("parent", "")
    project = parent.removeprefix("projects/")
    if not parent.startswith("projects/") or not project:
        raise invalid('the query parameter parent is required: "projects/PROJECT_ID"')
    require_name(project, r"[a-z][a-z0-9-]*[a-z0-9]", "project")
    if body.get("name", project) != project:
        raise bad_field("organization.name", "the organization's name must be the project's id")
    require_one_of(body, "runtimeType", "organization", "CLOUD", "HYBRID")
    if service.store.get(ORGANIZATIONS, project):
        raise already_exists(f"organization {project} already exists")
    runtime = body.get("runtimeType", "CLOUD")
    if runtime == "CLOUD" and not body.get("authorizedNetwork") and not body.get("disableVpcPeering"):
        raise bad_field(
            "organization.authorized_network", "authorizedNetwork is required unless disableVpcPeering is true"
        )
    now = service.now()
    organization: JsonObject = {
        "billingType": "EVALUATION",
        "subscriptionType": "TRIAL",
        "properties": {"property": [{"name": "features.mart.connect.enabled", "value": "true"}]},
        **body,
        "name": project,
        "projectId": project,
        "apigeeProjectId": f"{hashlib.sha256(project.encode()).hexdigest()[:14]}-tp",
        "runtimeType": runtime,
        "state": "ACTIVE",
        "createdAt": now,
        "lastModifiedAt": now,
    }
    service.store.put(ORGANIZATIONS, project, organization)
    target = f"organizations/{project}"
    return service.operation(project, target, "INSERT", {"@type": _type("Organization"), **organization})


def _type(message: str) -> str:
    return f"type.googleapis.com/google.cloud.apigee.v1.{message}"


def _get_organization(service: Service, call: Call) -> Answer:
    environments = [item["name"] for item in service.list(ENVIRONMENTS, call.names["org"])]
    organization = service.organization(call)
    return {**organization, "environments": environments} if environments else organization


def _list_organizations(service: Service, _call: Call) -> Answer:
    found = [item for _, item in service.store.items(ORGANIZATIONS)]
    if not found:
        return {}
    return {"organizations": [{"organization": o["name"], "projectIds": [o["projectId"]]} for o in found]}


def _update_organization(service: Service, call: Call) -> Answer:
    body = check(call.body, _ORGANIZATION, "organization")
    old = service.organization(call)
    for name in ("analyticsRegion", "runtimeType"):
        if name in body and body[name] != old.get(name):
            raise bad_field(f"organization.{name}", f"{name} cannot be changed")
    kept = {name: old[name] for name in _FIXED if name in old}
    properties = body.get("properties", old["properties"])
    organization = {**body, **kept, "properties": properties, "name": old["name"], "lastModifiedAt": service.now()}
    service.store.put(ORGANIZATIONS, old["name"], organization)
    return organization


def _delete_organization(service: Service, call: Call) -> Answer:
    organization = service.organization(call)
    service.begin(call)
    name = organization["name"]
    for collection, kind in ((PROXIES, "apis"), (SHARED_FLOWS, "sharedflows")):
        for key, bundle in service.store.items(collection, f"{name}/"):
            for revision in bundle["revision"]:
                service.store.delete_blob(BUNDLES, f"{name}/{kind}/{key.partition('/')[2]}/{revision}")
    for collection in _UNDER_AN_ORGANIZATION:
        service.delete_all(collection, name)
    service.store.delete(ORGANIZATIONS, name)
    return service.operation(name, f"organizations/{name}", "DELETE", {"@type": _type("Organization"), "name": name})


# ---- instances ----


def _create_instance(service: Service, call: Call) -> Answer:
    body = check(call.body, _INSTANCE, "instance")
    organization = service.organization(call)
    require(body, "instance", "name", "location")
    require_name(body["name"], r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", "instance.name")
    service.begin(call)
    org, name = organization["name"], body["name"]
    if service.store.get(INSTANCES, f"{org}/{name}"):
        raise already_exists(f"instance organizations/{org}/instances/{name} already exists")
    now, digest = service.now(), hashlib.sha256(f"{org}/{name}".encode()).hexdigest()
    peered = {} if organization.get("disableVpcPeering") else {"peeringCidrRange": "SLASH_22"}
    instance: JsonObject = {
        **peered,
        "consumerAcceptList": [],
        **body,
        "host": f"10.{int(digest[:2], 16)}.{int(digest[2:4], 16)}.2",
        "port": "443",
        "serviceAttachment": (
            f"projects/{organization['apigeeProjectId']}/regions/{body['location']}/serviceAttachments/"
            f"apigee-{body['location']}-{digest[:4]}"
        ),
        "state": "ACTIVE",
        "createdAt": now,
        "lastModifiedAt": now,
    }
    instance["consumerAcceptList"] = _accepted(organization, instance["consumerAcceptList"])
    service.store.put(INSTANCES, f"{org}/{name}", instance)
    target = f"organizations/{org}/instances/{name}"
    return service.operation(org, target, "INSERT", {"@type": _type("Instance"), **instance})


def _accepted(organization: JsonObject, projects: list[str]) -> list[str]:
    """The projects that may connect: the organization's own unless the client says otherwise."""
    return projects or [organization["projectId"]]


def _instance(service: Service, call: Call) -> JsonObject:
    service.organization(call)
    target = f"organizations/{call.names['org']}/instances/{call.names['instance']}"
    return service.find(INSTANCES, call.key("org", "instance"), target)


def _get_instance(service: Service, call: Call) -> Answer:
    return _instance(service, call)


def _list_instances(service: Service, call: Call) -> Answer:
    service.organization(call)
    found = service.list(INSTANCES, call.names["org"])
    return {"instances": found} if found else {}


def _update_instance(service: Service, call: Call) -> Answer:
    body = check(call.body, _INSTANCE, "instance")
    instance = _instance(service, call)
    changed = _mask(call, {"consumerAcceptList"})
    service.begin(call)
    if "consumerAcceptList" in changed:
        instance["consumerAcceptList"] = _accepted(service.organization(call), body.get("consumerAcceptList", []))
    instance["lastModifiedAt"] = service.now()
    service.store.put(INSTANCES, call.key("org", "instance"), instance)
    return service.operation(call.names["org"], call.path, "UPDATE", {"@type": _type("Instance"), **instance})


def _mask(call: Call, allowed: set[str]) -> set[str]:
    """The members that an update changes."""
    mask = {name for name in call.query.get("updateMask", "").split(",") if name}
    if not mask or not mask <= allowed:
        raise bad_field("update_mask", f"updateMask must name what changes, of: {', '.join(sorted(allowed))}")
    return mask


def _delete_instance(service: Service, call: Call) -> Answer:
    instance = _instance(service, call)
    service.begin(call)
    key = call.key("org", "instance")
    if service.list(INSTANCE_ATTACHMENTS, key):
        raise precondition(f"instance {call.path} has environments attached: detach them first")
    service.store.delete(INSTANCES, key)
    return service.operation(call.names["org"], call.path, "DELETE", {"@type": _type("Instance"), **instance})


# ---- attachments ----


def _attach(service: Service, call: Call) -> Answer:
    body = check(call.body, _ATTACHMENT, "instance_attachment")
    _instance(service, call)
    require(body, "instance_attachment", "environment")
    org, environment = call.names["org"], body["environment"]
    service.find(ENVIRONMENTS, f"{org}/{environment}", f"organizations/{org}/environments/{environment}")
    service.begin(call)
    key = call.key("org", "instance")
    if any(item["environment"] == environment for item in service.list(INSTANCE_ATTACHMENTS, key)):
        raise already_exists(
            f"environment {environment} is already attached to {call.path.removesuffix('/attachments')}"
        )
    name = str(uuid.uuid4())
    attachment: JsonObject = {"name": name, "environment": environment, "createdAt": service.now()}
    service.store.put(INSTANCE_ATTACHMENTS, f"{key}/{name}", attachment)
    response = {"@type": _type("InstanceAttachment"), **attachment}
    return service.operation(org, f"{call.path}/{name}", "INSERT", response)


def _attachment(service: Service, call: Call) -> JsonObject:
    _instance(service, call)
    return service.find(INSTANCE_ATTACHMENTS, call.key("org", "instance", "attachment"), call.path)


def _get_attachment(service: Service, call: Call) -> Answer:
    return _attachment(service, call)


def _list_attachments(service: Service, call: Call) -> Answer:
    _instance(service, call)
    found = service.list(INSTANCE_ATTACHMENTS, call.key("org", "instance"))
    return {"attachments": found} if found else {}


def _detach(service: Service, call: Call) -> Answer:
    attachment = _attachment(service, call)
    service.begin(call)
    service.store.delete(INSTANCE_ATTACHMENTS, call.key("org", "instance", "attachment"))
    response = {"@type": _type("InstanceAttachment"), **attachment}
    return service.operation(call.names["org"], call.path, "DELETE", response)


# ---- operations ----


def _get_operation(service: Service, call: Call) -> Answer:
    operation = service.store.get(OPERATIONS, call.key("org", "operation"))
    if operation is None:
        raise not_found(f"resource {call.path} not found")
    return service.shown(operation)


def _list_operations(service: Service, call: Call) -> Answer:
    return {"operations": [service.shown(item) for item in service.list(OPERATIONS, call.names["org"])]}


_ORG = "organizations/{org}"
_INSTANCES = f"{_ORG}/instances"
_ATTACHMENTS = f"{_INSTANCES}/{{instance}}/attachments"

ENDPOINTS = (
    Endpoint("GET", "organizations", _list_organizations),
    Endpoint("POST", "organizations", _create_organization),
    Endpoint("GET", _ORG, _get_organization),
    Endpoint("PUT", _ORG, _update_organization),
    Endpoint("DELETE", _ORG, _delete_organization),
    Endpoint("GET", _INSTANCES, _list_instances),
    Endpoint("POST", _INSTANCES, _create_instance),
    Endpoint("GET", f"{_INSTANCES}/{{instance}}", _get_instance),
    Endpoint("PATCH", f"{_INSTANCES}/{{instance}}", _update_instance),
    Endpoint("DELETE", f"{_INSTANCES}/{{instance}}", _delete_instance),
    Endpoint("GET", _ATTACHMENTS, _list_attachments),
    Endpoint("POST", _ATTACHMENTS, _attach),
    Endpoint("GET", f"{_ATTACHMENTS}/{{attachment}}", _get_attachment),
    Endpoint("DELETE", f"{_ATTACHMENTS}/{{attachment}}", _detach),
    Endpoint("GET", f"{_ORG}/operations", _list_operations),
    Endpoint("GET", f"{_ORG}/operations/{{operation}}", _get_operation),
)
