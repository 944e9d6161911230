"""Deployments of proxy revisions to environments, and what a deployment would change.

Apigee does not refuse a base path that another proxy has already taken in the environment group: the change report
tells of it, and the proxy that was there first keeps it.
"""

from __future__ import annotations

from portcullis.sandbox.apigee.management.errors import not_found, precondition
from portcullis.sandbox.apigee.management.messages import check
from portcullis.sandbox.apigee.management.proxies import bad_bundle, bundle_key
from portcullis.sandbox.apigee.management.service import (
    BUNDLES,
    DEPLOYMENTS,
    GROUP_ATTACHMENTS,
    INSTANCE_ATTACHMENTS,
    PROXIES,
    REVISIONS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_REPLACE = "Only one revision can be deployed at a time, use the override flag to replace."


def _revision(service: Service, call: Call) -> JsonObject:
    service.environment(call)
    org, api, number = (call.names[part] for part in ("org", "api", "revision"))
    return service.find(REVISIONS, f"{org}/{api}/{number}", f"organizations/{org}/apis/{api}/revisions/{number}")


def _live(service: Service, call: Call) -> JsonObject | None:
    """The proxy's deployment in the environment, of whatever revision."""
    return service.store.get(DEPLOYMENTS, call.key("org", "env", "api"))


def _subject(call: Call, revision: str) -> str:
    return f"organizations/{call.names['org']}/apis/{call.names['api']}/revisions/{revision}"


def _deploy(service: Service, call: Call) -> Answer:
    check(call.body, {}, "deployment")
    revision = _revision(service, call)
    live = _live(service, call)
    if live and live["revision"] == revision["revision"]:
        subject = _subject(call, revision["revision"])
        raise precondition(f"generic::failed_precondition: revision {subject} is already deployed")
    conflicts = _violations(service, call)
    if conflicts:
        raise precondition("deployment validations failed", conflicts)
    bundle = service.store.get_blob(BUNDLES, bundle_key(call.names["org"], revision["name"], revision["revision"]))
    problems = service.undeployable(bundle or b"")
    if problems:
        raise bad_bundle(problems)
    deployment: JsonObject = {
        "environment": call.names["env"],
        "apiProxy": revision["name"],
        "revision": revision["revision"],
        "deployStartTime": service.now(),
        "state": "READY",
        "proxyDeploymentType": "STANDARD",
        "_basepaths": revision["basepaths"],
    }
    if call.query.get("serviceAccount"):
        deployment["serviceAccount"] = call.query["serviceAccount"]
    service.store.put(DEPLOYMENTS, call.key("org", "env", "api"), deployment)
    return _shown(service, call.names["org"], deployment)


def _violations(service: Service, call: Call) -> list[JsonObject]:
    """What would make Apigee refuse the deployment."""
    live = _live(service, call)
    if live is None or call.flag("override"):
        return []
    return [
        {
            "type": "CONFLICTING_DEPLOYMENT",
            "subject": _subject(call, live["revision"]),
            "description": _REPLACE,
        }
    ]


def _shown(service: Service, org: str, deployment: JsonObject) -> JsonObject:
    """A deployment with what each instance runs and which routes lead to it."""
    environment = deployment["environment"]
    groups = _groups(service, org, environment)
    routes = [
        {"basepath": basepath, "envgroup": group, "environment": environment, "percentage": 100}
        for group in groups
        for basepath in deployment["_basepaths"]
    ]
    revisions = [{"revision": deployment["revision"], "percentage": 100}]
    instances = [
        {"instance": instance, "deployedRevisions": revisions, "deployedRoutes": routes}
        for instance in _holders(service, INSTANCE_ATTACHMENTS, org, environment)
    ]
    shown = {name: value for name, value in deployment.items() if not name.startswith("_")}
    return {**shown, "instances": instances} if instances else shown


def _groups(service: Service, org: str, environment: str) -> list[str]:
    return _holders(service, GROUP_ATTACHMENTS, org, environment)


def _holders(service: Service, collection: str, org: str, environment: str) -> list[str]:
    """The groups or instances that the environment is attached to."""
    found = service.store.items(collection, f"{org}/")
    return [key.split("/")[1] for key, item in found if item["environment"] == environment]


def _deployed(service: Service, call: Call) -> JsonObject:
    _revision(service, call)
    live = _live(service, call)
    if live is None or live["revision"] != call.names["revision"]:
        raise not_found(f"generic::not_found: {_subject(call, call.names['revision'])} is not deployed")
    return live


def _get(service: Service, call: Call) -> Answer:
    return _shown(service, call.names["org"], _deployed(service, call))


def _undeploy(service: Service, call: Call) -> Answer:
    _deployed(service, call)
    service.store.delete(DEPLOYMENTS, call.key("org", "env", "api"))
    return {}


def _list(service: Service, call: Call) -> Answer:
    """The deployments of whatever the path narrows them to: organization, environment, proxy, revision."""
    service.organization(call)
    if "env" in call.names:
        service.environment(call)
    if "api" in call.names:
        service.find(PROXIES, call.key("org", "api"), f"organizations/{call.names['org']}/apis/{call.names['api']}")
    wanted = {
        member: call.names[name]
        for name, member in (("env", "environment"), ("api", "apiProxy"), ("revision", "revision"))
        if name in call.names
    }
    org = call.names["org"]
    found = [
        _shown(service, org, item)
        for item in service.list(DEPLOYMENTS, org)
        if all(item[member] == value for member, value in wanted.items())
    ]
    return {"deployments": found} if found else {}


# ---- change reports ----


def _deploy_report(service: Service, call: Call) -> Answer:
    """What deploying would change, and what would make Apigee refuse it."""
    revision = _revision(service, call)
    org, environment = call.names["org"], call.names["env"]
    changes: list[JsonObject] = []
    conflicts: list[JsonObject] = []
    for group in _groups(service, org, environment):
        for basepath in revision["basepaths"]:
            owner = _owner(service, org, group, basepath, revision["name"])
            if owner:
                conflicts.append(_conflict(group, basepath, owner))
            else:
                changes.append(_change(call, group, basepath))
    report: JsonObject = {"routingChanges": changes, "routingConflicts": conflicts}
    violations = _violations(service, call)
    return {**report, "validationErrors": {"violations": violations}} if violations else report


def _owner(service: Service, org: str, group: str, basepath: str, proxy: str) -> JsonObject | None:
    """The deployment of another proxy that has the base path in the group."""
    for item in service.list(DEPLOYMENTS, org):
        in_group = group in _groups(service, org, item["environment"])
        if in_group and item["apiProxy"] != proxy and basepath in item["_basepaths"]:
            return item
    return None


def _conflict(group: str, basepath: str, owner: JsonObject) -> JsonObject:
    return {
        "description": f"base path {basepath} is already taken in environment group {group}",
        "environmentGroup": group,
        "conflictingDeployment": {
            "basepath": basepath,
            "environment": owner["environment"],
            "apiProxy": owner["apiProxy"],
            "revision": owner["revision"],
        },
    }


def _change(call: Call, group: str, basepath: str) -> JsonObject:
    return {
        "description": f"traffic to {basepath} of environment group {group} will reach this revision",
        "environmentGroup": group,
        "toDeployment": {
            "basepath": basepath,
            "environment": call.names["env"],
            "apiProxy": call.names["api"],
            "revision": call.names["revision"],
        },
    }


def _undeploy_report(service: Service, call: Call) -> Answer:
    """Which routes undeploying would take away."""
    live = _deployed(service, call)
    org, environment = call.names["org"], call.names["env"]
    changes: list[JsonObject] = [
        {
            "description": f"traffic to {basepath} of environment group {group} will reach nothing",
            "environmentGroup": group,
            "fromDeployment": {
                "basepath": basepath,
                "environment": environment,
                "apiProxy": live["apiProxy"],
                "revision": live["revision"],
            },
        }
        for group in _groups(service, org, environment)
        for basepath in live["_basepaths"]
    ]
    return {"routingChanges": changes}


_ORG = "organizations/{org}"
_ENV = f"{_ORG}/environments/{{env}}"
_DEPLOYED = f"{_ENV}/apis/{{api}}/revisions/{{revision}}/deployments"

ENDPOINTS = (
    Endpoint("GET", f"{_ORG}/deployments", _list),
    Endpoint("GET", f"{_ORG}/apis/{{api}}/deployments", _list),
    Endpoint("GET", f"{_ORG}/apis/{{api}}/revisions/{{revision}}/deployments", _list),
    Endpoint("GET", f"{_ENV}/deployments", _list),
    Endpoint("GET", f"{_ENV}/apis/{{api}}/deployments", _list),
    Endpoint("GET", _DEPLOYED, _get),
    Endpoint("POST", _DEPLOYED, _deploy),
    Endpoint("DELETE", _DEPLOYED, _undeploy),
    Endpoint("POST", f"{_DEPLOYED}:generateDeployChangeReport", _deploy_report),
    Endpoint("POST", f"{_DEPLOYED}:generateUndeployChangeReport", _undeploy_report),
)
