"""Deployments of proxies and shared flows to environments, and what a deployment would change.

Apigee does not refuse a base path that another proxy has already taken in the environment group: the change report
tells of it, and the proxy that was there first keeps it.
"""

from __future__ import annotations

from functools import partial

from portcullis.sandbox.apigee.management.errors import not_found, precondition
from portcullis.sandbox.apigee.management.kinds import KINDS, PROXY, SHARED_FLOW, Kind
from portcullis.sandbox.apigee.management.messages import check
from portcullis.sandbox.apigee.management.proxies import bad_bundle, bundle_key
from portcullis.sandbox.apigee.management.resourcefiles import resources
from portcullis.sandbox.apigee.management.service import (
    BUNDLES,
    DEPLOYMENTS,
    FLOW_HOOKS,
    GROUP_ATTACHMENTS,
    INSTANCE_ATTACHMENTS,
    Answer,
    Call,
    Endpoint,
    Service,
)
from portcullis.sandbox.store import JsonObject

_NOT_LOADED = "the runtime could not load the revision (a fault set in the sandbox)"
_REPLACE = "Only one revision can be deployed at a time, use the override flag to replace."


def _revision(kind: Kind, service: Service, call: Call) -> JsonObject:
    service.environment(call)
    org, api, number = (call.names[part] for part in ("org", "api", "revision"))
    called = f"organizations/{org}/{kind.path}/{api}/revisions/{number}"
    return service.find(kind.revisions, f"{org}/{api}/{number}", called)


def _live(kind: Kind, service: Service, call: Call) -> JsonObject | None:
    """The proxy's deployment in the environment, of whatever revision."""
    return service.store.get(kind.deployments, call.key("org", "env", "api"))


def _subject(kind: Kind, call: Call, revision: str) -> str:
    return f"organizations/{call.names['org']}/{kind.path}/{call.names['api']}/revisions/{revision}"


def _deploy(kind: Kind, service: Service, call: Call) -> Answer:
    check(call.body, {}, "deployment")
    revision = _revision(kind, service, call)
    live = _live(kind, service, call)
    if live and live["revision"] == revision["revision"]:
        subject = _subject(kind, call, revision["revision"])
        raise precondition(f"generic::failed_precondition: revision {subject} is already deployed")
    conflicts = _violations(kind, service, call)
    if conflicts:
        raise precondition("deployment validations failed", conflicts)
    bundle = service.store.get_blob(
        BUNDLES, bundle_key(kind, call.names["org"], revision["name"], revision["revision"])
    )
    problems = service.undeployable(bundle or b"", resources(service, call))
    if problems:
        raise bad_bundle(problems)
    deployment: JsonObject = {
        "environment": call.names["env"],
        "apiProxy": revision["name"],
        "revision": revision["revision"],
        "deployStartTime": service.now(),
        "state": "READY",
        "proxyDeploymentType": "STANDARD",
        "_basepaths": revision.get("basepaths", []),
        "_calls": revision.get("_calls", []),
    }
    if call.query.get("serviceAccount"):
        deployment["serviceAccount"] = call.query["serviceAccount"]
    service.store.put(kind.deployments, call.key("org", "env", "api"), deployment)
    return _shown(service, call.names["org"], deployment)


def _violations(kind: Kind, service: Service, call: Call) -> list[JsonObject]:
    """What would make Apigee refuse the deployment."""
    live = _live(kind, service, call)
    if live is None or call.flag("override"):
        return []
    return [
        {
            "type": "CONFLICTING_DEPLOYMENT",
            "subject": _subject(kind, call, live["revision"]),
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
    shown = {name: value for name, value in deployment.items() if not name.startswith("_")} | _state(
        service, deployment
    )
    return {**shown, "instances": instances} if instances else shown


def _state(service: Service, deployment: JsonObject) -> JsonObject:
    """Tell how far the rollout is; the runtime itself takes a revision up at once."""
    rollout = service.rollout()
    if int(service.now()) < int(deployment["deployStartTime"]) + rollout.seconds * 1000:
        return {"state": "PROGRESSING"}
    if rollout.fails:
        return {"state": "ERROR", "errors": [{"code": 13, "message": _NOT_LOADED}]}
    return {"state": "READY"}


def _groups(service: Service, org: str, environment: str) -> list[str]:
    return _holders(service, GROUP_ATTACHMENTS, org, environment)


def _holders(service: Service, collection: str, org: str, environment: str) -> list[str]:
    """The groups or instances that the environment is attached to."""
    found = service.store.items(collection, f"{org}/")
    return [key.split("/")[1] for key, item in found if item["environment"] == environment]


def _deployed(kind: Kind, service: Service, call: Call) -> JsonObject:
    _revision(kind, service, call)
    live = _live(kind, service, call)
    if live is None or live["revision"] != call.names["revision"]:
        raise not_found(f"generic::not_found: {_subject(kind, call, call.names['revision'])} is not deployed")
    return live


def _get(kind: Kind, service: Service, call: Call) -> Answer:
    return _shown(service, call.names["org"], _deployed(kind, service, call))


def _undeploy(kind: Kind, service: Service, call: Call) -> Answer:
    _deployed(kind, service, call)
    using = _users(service, call) if kind is SHARED_FLOW else []
    if using:
        raise precondition("undeployment validations failed", using)
    service.store.delete(kind.deployments, call.key("org", "env", "api"))
    return {}


def _users(service: Service, call: Call) -> list[JsonObject]:
    """What would break without the shared flow: deployments that call it, and flow hooks."""
    environment, name = call.key("org", "env"), call.names["api"]
    subjects = [
        f"organizations/{call.names['org']}/{kind.path}/{item['apiProxy']}/revisions/{item['revision']}"
        for kind in KINDS
        for item in service.list(kind.deployments, environment)
        if name in item.get("_calls", [])
    ]
    subjects += [
        f"organizations/{call.names['org']}/environments/{call.names['env']}/flowhooks/{hook['flowHookPoint']}"
        for hook in service.list(FLOW_HOOKS, environment)
        if hook.get("sharedFlow") == name
    ]
    return [
        {"type": "WOULD_BREAK_DEPENDENT", "subject": subject, "description": f"it uses shared flow {name}"}
        for subject in subjects
    ]


def _list(kind: Kind, service: Service, call: Call) -> Answer:
    """The deployments of whatever the path narrows them to: organization, environment, proxy, revision."""
    service.organization(call)
    if "env" in call.names:
        service.environment(call)
    if "api" in call.names:
        called = f"organizations/{call.names['org']}/{kind.path}/{call.names['api']}"
        service.find(kind.collection, call.key("org", "api"), called)
    wanted = {
        member: call.names[name]
        for name, member in (("env", "environment"), ("api", "apiProxy"), ("revision", "revision"))
        if name in call.names
    }
    org = call.names["org"]
    kind = SHARED_FLOW if call.flag("sharedFlows") else kind
    found = [
        _shown(service, org, item)
        for item in service.list(kind.deployments, org)
        if all(item[member] == value for member, value in wanted.items())
    ]
    return {"deployments": found} if found else {}


# ---- change reports ----


def _deploy_report(kind: Kind, service: Service, call: Call) -> Answer:
    """What deploying would change, and what would make Apigee refuse it."""
    revision = _revision(kind, service, call)
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
    violations = _violations(kind, service, call)
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


def _undeploy_report(kind: Kind, service: Service, call: Call) -> Answer:
    """Which routes undeploying would take away."""
    live = _deployed(kind, service, call)
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


def _endpoints(kind: Kind) -> tuple[Endpoint, ...]:
    revision = f"{kind.path}/{{api}}/revisions/{{revision}}/deployments"
    deployed = f"{_ENV}/{revision}"
    return (
        Endpoint("GET", f"{_ORG}/{kind.path}/{{api}}/deployments", partial(_list, kind)),
        Endpoint("GET", f"{_ORG}/{revision}", partial(_list, kind)),
        Endpoint("GET", f"{_ENV}/{kind.path}/{{api}}/deployments", partial(_list, kind)),
        Endpoint("GET", deployed, partial(_get, kind)),
        Endpoint("POST", deployed, partial(_deploy, kind)),
        Endpoint("DELETE", deployed, partial(_undeploy, kind)),
    )


ENDPOINTS = (
    Endpoint("GET", f"{_ORG}/deployments", partial(_list, PROXY)),
    Endpoint("GET", f"{_ENV}/deployments", partial(_list, PROXY)),
    *(endpoint for kind in KINDS for endpoint in _endpoints(kind)),
    Endpoint(
        "POST",
        f"{_ENV}/apis/{{api}}/revisions/{{revision}}/deployments:generateDeployChangeReport",
        partial(_deploy_report, PROXY),
    ),
    Endpoint(
        "POST",
        f"{_ENV}/apis/{{api}}/revisions/{{revision}}/deployments:generateUndeployChangeReport",
        partial(_undeploy_report, PROXY),
    ),
)
