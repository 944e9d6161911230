"""Google Cloud: Apigee, as pulumi-gcp 9.35 (terraform-provider-google-beta 7.45) speaks to it.

Reference: hashicorp/terraform-provider-google-beta, google-beta/services/apigee; GoogleCloudPlatform/magic-modules,
mmv1/products/apigee.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from engine.providers.documents import fill, fill_query, to_api
from engine.providers.rest import ApiError, Dialect, RestSession
from engine.providers.tables import (
    Call,
    Change,
    Cloud,
    Field,
    Kind,
    Operation,
    PartlyDoneError,
    RefusedError,
    ResourceType,
    Session,
    State,
)
from engine.providers.values import JsonObject, Unknown

ENDPOINT = "https://apigee.googleapis.com/v1/"
OPERATION_TIMEOUT_SECONDS = 60 * 60
_DEFAULT_POLL_SECONDS = 10.0
_OPERATION = re.compile(r"organizations/[^/]+/operations/[^/]+")
_UNKNOWN_HASH = "UNKNOWN"
"""What the official provider writes for the hash of a bundle that somebody else uploaded."""


class GoogleSession:
    """A `RestSession` that waits for long-running operations and returns what they made."""

    def __init__(
        self,
        rest: RestSession,
        poll_seconds: float = _DEFAULT_POLL_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Poll an operation that is not done at once every `poll_seconds`."""
        self._rest = rest
        self._poll_seconds = poll_seconds
        self._sleep = sleep

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        content_type: str = "",
    ) -> JsonObject:
        """See `tables.Session`; an operation's answer is its response, once it is done."""
        answer = self._rest.request(method, path, query=query, body=body, content=content, content_type=content_type)
        if method == "GET" or not _OPERATION.fullmatch(str(answer.get("name", ""))):
            return answer
        return self._wait(method, path, answer)

    def _wait(self, method: str, path: str, operation: JsonObject) -> JsonObject:
        waited = 0.0
        while not operation.get("done"):
            if waited >= OPERATION_TIMEOUT_SECONDS:
                raise ApiError(method, path, 0, f"{operation['name']} is still not done after an hour")
            self._sleep(self._poll_seconds)
            waited += self._poll_seconds
            try:
                operation = self._rest.request("GET", str(operation["name"]))
            except ApiError as problem:
                # Apigee may not know an operation yet that it has just begun.
                if not problem.gone:
                    raise
        failed = cast("JsonObject", operation.get("error") or {})
        if failed:
            raise ApiError(method, path, 0, f"{operation['name']} failed: {failed.get('message', failed)}")
        return cast("JsonObject", operation.get("response") or {})


def _error(document: JsonObject) -> str:
    """What a Google API error says: its message, and each violation in its details."""
    error = cast("JsonObject", document.get("error") or {})
    lines = [": ".join(str(error[key]) for key in ("status", "message") if error.get(key))]
    for detail in cast("list[JsonObject]", error.get("details") or []):
        for violation in cast("list[JsonObject]", detail.get("violations") or detail.get("fieldViolations") or []):
            named = (str(violation[key]) for key in ("type", "subject", "field", "description") if violation.get(key))
            lines.append("  " + " ".join(named))
    return "\n".join(line for line in lines if line.strip())


# ---- fields and requests that many resources share --------------------------------------------------------------

_DELETION_POLICY = Field("deletionPolicy", default="DELETE", local=True)
_NAME_AND_VALUE = (Field("name"), Field("value"))


def _parent(name: str) -> Field:
    """The property that says in which organization, environment, ... a resource is, by that one's full id."""
    return Field(name, required=True, force_new=True, parent=True)


_ORG_ID = _parent("orgId")
_ENV_ID = _parent("envId")
_NAME = Field("name", required=True, force_new=True, autoname=True)


def _nothing(_session: Session, _state: State) -> JsonObject | None:
    """The update of a resource whose only changeable property is `deletionPolicy`."""
    return None


def _delete(path: str, query: Mapping[str, str] | None = None) -> Operation:
    """Delete unless the resource's `deletionPolicy` says otherwise."""

    def delete(session: Session, state: State) -> JsonObject | None:
        policy = state.properties.get("deletionPolicy")
        if policy == "PREVENT":
            raise RefusedError(
                f'{state.id} has deletionPolicy "PREVENT": set it to "DELETE" and update before deleting it'
            )
        if policy != "ABANDON":
            session.request("DELETE", fill(path, state.properties), query=fill_query(query or {}, state.properties))
        return None

    return delete


# ---- organization, instances, environments ----------------------------------------------------------------------


def _organization_name(body: JsonObject, state: State) -> JsonObject:
    return {"name": state.properties["projectId"], **body}


ORGANIZATION = ResourceType(
    type="gcp:apigee/organization:Organization",
    fields=(
        Field("projectId", required=True, force_new=True, parent=True),
        Field("retention", default="DELETION_RETENTION_UNSPECIFIED", parent=True),
        Field("name", output=True),
        Field("displayName"),
        Field("description"),
        Field("analyticsRegion", force_new=True),
        Field("apiConsumerDataLocation", force_new=True),
        Field("apiConsumerDataEncryptionKeyName", force_new=True),
        Field("controlPlaneEncryptionKeyName", force_new=True),
        Field("authorizedNetwork"),
        Field("disableVpcPeering", Kind.BOOLEAN),
        Field("runtimeType", default="CLOUD", force_new=True),
        Field("subscriptionType", output=True),
        Field("billingType", computed=True, force_new=True),
        Field("caCertificate", output=True),
        Field("runtimeDatabaseEncryptionKeyName", force_new=True),
        Field(
            "properties",
            Kind.OBJECT,
            (Field("properties", Kind.LIST, _NAME_AND_VALUE, api="property", computed=True),),
            computed=True,
        ),
        Field("apigeeProjectId", output=True),
        _DELETION_POLICY,
    ),
    id="organizations/{name}",
    import_id="(?:organizations/)?(?P<name>[^/]+)",
    create=Call("POST", "organizations", query={"parent": "projects/{projectId}"}),
    read=Call("GET", "organizations/{name}"),
    update=Call("PUT", "organizations/{name}"),
    delete=_delete("organizations/{name}", {"retention": "{retention}"}),
    omit_empty=True,
    encode=_organization_name,
)


def _same_projects(old: Any, new: Any) -> bool:
    """As many projects are the same projects: users may write a number where the API writes an id.

    The tenant projects that Apigee adds (`...-tp`) are not the user's, and do not count.
    """
    return len([project for project in old if not str(project).endswith("-tp")]) == len(new)


INSTANCE = ResourceType(
    type="gcp:apigee/instance:Instance",
    fields=(
        _ORG_ID,
        _NAME,
        Field("location", required=True, force_new=True),
        Field("peeringCidrRange", computed=True, force_new=True),
        Field("ipRange", force_new=True, read=False),
        Field("description", force_new=True),
        Field("displayName", force_new=True),
        Field("diskEncryptionKeyName", force_new=True),
        Field("host", output=True),
        Field("port", output=True),
        Field("consumerAcceptLists", Kind.LIST, computed=True, api="consumerAcceptList", same=_same_projects),
        Field("serviceAttachment", output=True),
        Field(
            "accessLoggingConfig",
            Kind.OBJECT,
            (Field("enabled", Kind.BOOLEAN, required=True), Field("filter")),
            force_new=True,
        ),
        _DELETION_POLICY,
    ),
    id="{orgId}/instances/{name}",
    import_id="(?P<orgId>organizations/[^/]+)/(?:instances/)?(?P<name>[^/]+)",
    create=Call("POST", "{orgId}/instances"),
    read=Call("GET", "{orgId}/instances/{name}"),
    update=Call("PATCH", "{orgId}/instances/{name}", only=("consumerAcceptLists",), mask="updateMask"),
    delete=_delete("{orgId}/instances/{name}"),
    omit_empty=True,
    lock="{orgId}/apigeeInstances",
)

INSTANCE_ATTACHMENT = ResourceType(
    type="gcp:apigee/instanceAttachment:InstanceAttachment",
    fields=(
        _parent("instanceId"),
        Field("environment", required=True, force_new=True),
        Field("name", output=True),
        _DELETION_POLICY,
    ),
    id="{instanceId}/attachments/{name}",
    import_id="(?P<instanceId>organizations/[^/]+/instances/[^/]+)/(?:attachments/)?(?P<name>[^/]+)",
    create=Call("POST", "{instanceId}/attachments"),
    read=Call("GET", "{instanceId}/attachments/{name}"),
    update=_nothing,
    delete=_delete("{instanceId}/attachments/{name}"),
    omit_empty=True,
    lock="apigeeInstanceAttachments",
)

ENVIRONMENT = ResourceType(
    type="gcp:apigee/environment:Environment",
    fields=(
        _ORG_ID,
        _NAME,
        Field("displayName"),
        Field("description"),
        Field("deploymentType", computed=True, force_new=True),
        Field("apiProxyType", computed=True, force_new=True),
        Field(
            "nodeConfig",
            Kind.OBJECT,
            (
                Field("minNodeCount", computed=True),
                Field("maxNodeCount", computed=True),
                Field("currentAggregateNodeCount", output=True),
            ),
            computed=True,
        ),
        Field("type", computed=True),
        Field("forwardProxyUri"),
        Field(
            "properties",
            Kind.OBJECT,
            (Field("properties", Kind.LIST, _NAME_AND_VALUE, api="property"),),
        ),
        Field(
            "clientIpResolutionConfig",
            Kind.OBJECT,
            (
                Field(
                    "headerIndexAlgorithm",
                    Kind.OBJECT,
                    (
                        Field("ipHeaderName", required=True),
                        Field("ipHeaderIndex", Kind.INTEGER, required=True),
                    ),
                ),
            ),
        ),
        _DELETION_POLICY,
    ),
    id="{orgId}/environments/{name}",
    import_id="(?P<orgId>organizations/[^/]+)/(?:environments/)?(?P<name>[^/]+)",
    create=Call("POST", "{orgId}/environments"),
    read=Call("GET", "{orgId}/environments/{name}"),
    update=Call("PUT", "{orgId}/environments/{name}"),
    delete=_delete("{orgId}/environments/{name}"),
    omit_empty=True,
)

ENV_GROUP = ResourceType(
    type="gcp:apigee/envGroup:EnvGroup",
    fields=(_ORG_ID, _NAME, Field("hostnames", Kind.LIST), _DELETION_POLICY),
    id="{orgId}/envgroups/{name}",
    import_id="(?P<orgId>organizations/[^/]+)/(?:envgroups/)?(?P<name>[^/]+)",
    create=Call("POST", "{orgId}/envgroups"),
    read=Call("GET", "{orgId}/envgroups/{name}"),
    update=Call("PATCH", "{orgId}/envgroups/{name}", only=("hostnames",), mask="updateMask"),
    delete=_delete("{orgId}/envgroups/{name}"),
    omit_empty=True,
)

ENV_GROUP_ATTACHMENT = ResourceType(
    type="gcp:apigee/envGroupAttachment:EnvGroupAttachment",
    fields=(
        _parent("envgroupId"),
        Field("environment", required=True, force_new=True),
        Field("name", output=True),
        _DELETION_POLICY,
    ),
    id="{envgroupId}/attachments/{name}",
    import_id="(?P<envgroupId>organizations/[^/]+/envgroups/[^/]+)/(?:attachments/)?(?P<name>[^/]+)",
    create=Call("POST", "{envgroupId}/attachments"),
    read=Call("GET", "{envgroupId}/attachments/{name}"),
    update=_nothing,
    delete=_delete("{envgroupId}/attachments/{name}"),
    omit_empty=True,
)

_MASKED = "namespaces,requestXPaths,responseXPaths,faultXPaths,requestJSONPaths,responseJSONPaths,variables"


def _unmask(session: Session, state: State) -> JsonObject | None:
    """Empty the mask: an environment always has one, and it cannot be deleted."""
    path = fill("{envId}/debugmask", state.properties)
    session.request("PATCH", path, query={"updateMask": _MASKED}, body={})
    return None


ENVIRONMENT_DEBUG_MASK = ResourceType(
    type="gcp:apigee/environmentDebugmask:EnvironmentDebugmask",
    fields=(
        _ENV_ID,
        Field("namespaces", Kind.MAP),
        Field("requestXPaths", Kind.LIST),
        Field("responseXPaths", Kind.LIST),
        Field("faultXPaths", Kind.LIST),
        Field("requestJsonPaths", Kind.LIST, api="requestJSONPaths"),
        Field("responseJsonPaths", Kind.LIST, api="responseJSONPaths"),
        Field("variables", Kind.LIST),
        Field("name", output=True),
    ),
    id="{envId}/debugmask",
    import_id="(?P<envId>organizations/[^/]+/environments/[^/]+)(?:/debugmask)?",
    create=Call("PATCH", "{envId}/debugmask", query={"updateMask": _MASKED}),
    read=Call("GET", "{envId}/debugmask"),
    update=Call("PATCH", "{envId}/debugmask", mask="updateMask"),
    delete=_unmask,
    omit_empty=True,
)

# ---- what an environment holds ----------------------------------------------------------------------------------

TARGET_SERVER = ResourceType(
    type="gcp:apigee/targetServer:TargetServer",
    fields=(
        _ENV_ID,
        _NAME,
        Field("description"),
        Field("host", required=True),
        Field("port", Kind.INTEGER, required=True),
        Field("isEnabled", Kind.BOOLEAN, default=True),
        Field(
            "sSlInfo",
            Kind.OBJECT,
            (
                Field("enabled", Kind.BOOLEAN, required=True),
                Field("clientAuthEnabled", Kind.BOOLEAN),
                Field("keyStore"),
                Field("keyAlias"),
                Field("trustStore"),
                Field("ignoreValidationErrors", Kind.BOOLEAN),
                Field("protocols", Kind.LIST),
                Field("ciphers", Kind.LIST),
                Field("commonName", Kind.OBJECT, (Field("value"), Field("wildcardMatch", Kind.BOOLEAN))),
                Field("enforce", Kind.BOOLEAN),
            ),
            api="sSLInfo",
        ),
        Field("protocol", computed=True, force_new=True),
        _DELETION_POLICY,
    ),
    id="{envId}/targetservers/{name}",
    import_id="(?P<envId>organizations/[^/]+/environments/[^/]+)/(?:targetservers/)?(?P<name>[^/]+)",
    create=Call("POST", "{envId}/targetservers"),
    read=Call("GET", "{envId}/targetservers/{name}"),
    update=Call("PUT", "{envId}/targetservers/{name}"),
    delete=_delete("{envId}/targetservers/{name}"),
    omit_empty=True,
)

KEY_VALUE_MAP = ResourceType(
    type="gcp:apigee/environmentKeyvaluemaps:EnvironmentKeyvaluemaps",
    # The API cannot read a map, only list its entries: that it does so is all the provider learns.
    fields=(_ENV_ID, Field("name", required=True, force_new=True, autoname=True, read=False), _DELETION_POLICY),
    id="{envId}/keyvaluemaps/{name}",
    import_id="(?P<envId>organizations/[^/]+/environments/[^/]+)/(?:keyvaluemaps/)?(?P<name>[^/]+)",
    create=Call("POST", "{envId}/keyvaluemaps"),
    read=Call("GET", "{envId}/keyvaluemaps/{name}/entries"),
    update=_nothing,
    delete=_delete("{envId}/keyvaluemaps/{name}"),
    omit_empty=True,
)

KEY_VALUE_MAP_ENTRY = ResourceType(
    type="gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries",
    fields=(
        _parent("envKeyvaluemapId"),
        _NAME,
        Field("value", required=True, force_new=True),
        _DELETION_POLICY,
    ),
    id="{envKeyvaluemapId}/entries/{name}",
    import_id="(?P<envKeyvaluemapId>organizations/[^/]+/environments/[^/]+/keyvaluemaps/[^/]+)/(?:entries/)?(?P<name>[^/]+)",
    create=Call("POST", "{envKeyvaluemapId}/entries"),
    read=Call("GET", "{envKeyvaluemapId}/entries/{name}"),
    update=_nothing,
    delete=_delete("{envKeyvaluemapId}/entries/{name}"),
    omit_empty=True,
)

# ---- proxies ----------------------------------------------------------------------------------------------------


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _import_bundle(session: Session, state: State) -> JsonObject:
    """Upload the bundle: the first time it makes the proxy, every time a new revision."""
    path = Path(str(state.properties["configBundle"]))
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise RefusedError(f"configBundle: cannot read {path}: {problem.strerror}") from None
    session.request(
        "POST",
        fill("organizations/{orgId}/apis", state.properties),
        query={"name": str(state.properties["name"]), "action": "import"},
        content=content,
        content_type="application/octet-stream",
    )
    digest = _md5(content)
    # What an import answers with is the revision; the proxy is what the state holds.
    proxy = session.request("GET", fill("organizations/{orgId}/apis/{name}", state.properties))
    return {**proxy, "md5hash": digest, "detectMd5hash": digest}


def _proxy_read(document: JsonObject, known: JsonObject) -> JsonObject:
    """Tell by the time of the last import whether somebody else uploaded a bundle."""
    document = dict(document)
    metadata = document.get("metaData")
    document["metaDatas"] = [metadata] if metadata else []
    if "md5hash" in document:
        return document
    before = _last_modified(cast("list[JsonObject]", known.get("metaDatas") or []))
    foreign = before != _last_modified(document["metaDatas"])
    document["md5hash"] = _UNKNOWN_HASH if foreign else known.get("md5hash")
    document["detectMd5hash"] = _UNKNOWN_HASH if foreign else known.get("detectMd5hash")
    return document


def _last_modified(metadata: list[JsonObject]) -> str:
    return str(metadata[0].get("lastModifiedAt") or "") if metadata else ""


def _bundle_changes(old: JsonObject, new: JsonObject) -> tuple[Change, ...]:
    """A bundle with other bytes, or at another path, is uploaded and makes a new revision."""
    path = new.get("configBundle")
    if not old or path is None or isinstance(path, Unknown):
        return ()
    try:
        digest = _md5(Path(str(path)).read_bytes())
    except OSError:
        digest = ""
    if digest == old.get("detectMd5hash") and path == old.get("configBundle"):
        return ()
    decided = (Change(name, unknown=True) for name in ("metaDatas", "latestRevisionId", "revisions", "md5hash"))
    return (Change("detectMd5hash", unknown=new.get("detectMd5hash") is None), *decided)


def _always_same(_old: Any, _new: Any) -> bool:
    """The bundle itself is compared (`_bundle_changes`), not what the user says its hash is."""
    return True


API = ResourceType(
    type="gcp:apigee/api:Api",
    fields=(
        Field("orgId", required=True, force_new=True, parent=True),
        _NAME,
        Field("configBundle", required=True, sent=False, read=False),
        Field("detectMd5hash", computed=True, same=_always_same),
        Field("md5hash", output=True),
        Field("latestRevisionId", output=True),
        Field("revisions", Kind.LIST, output=True, api="revision"),
        Field(
            "metaDatas",
            Kind.LIST,
            (
                Field("createdAt", output=True),
                Field("lastModifiedAt", output=True),
                Field("subType", output=True),
            ),
            output=True,
        ),
        _DELETION_POLICY,
    ),
    id="organizations/{orgId}/apis/{name}",
    import_id="(?:organizations/)?(?P<orgId>[^/]+)/(?:apis/)?(?P<name>[^/]+)",
    create=_import_bundle,
    read=Call("GET", "organizations/{orgId}/apis/{name}"),
    update=_import_bundle,
    delete=_delete("organizations/{orgId}/apis/{name}"),
    decode=_proxy_read,
    plan=_bundle_changes,
)

_DEPLOYMENT = "organizations/{orgId}/environments/{environment}/apis/{api}/revisions/{revision}"

DEPLOYMENT = ResourceType(
    type="gcp:apigee/environmentApiRevisionDeployment:EnvironmentApiRevisionDeployment",
    fields=(
        Field("orgId", required=True, force_new=True, parent=True),
        Field("environment", required=True, force_new=True, parent=True),
        Field("api", required=True, force_new=True, parent=True),
        Field("revision", Kind.INTEGER, required=True, force_new=True, parent=True),
        Field("override", Kind.BOOLEAN, default=False, force_new=True, parent=True),
        Field("sequencedRollout", Kind.BOOLEAN, default=False, force_new=True, parent=True),
        Field("serviceAccount", force_new=True, parent=True),
        Field("basepaths", Kind.LIST, output=True, api="basePath"),
        Field("deployStartTime", output=True),
        Field("state", output=True),
        _DELETION_POLICY,
    ),
    id=_DEPLOYMENT,
    import_id=(
        "(?:organizations/)?(?P<orgId>[^/]+)/(?:environments/)?(?P<environment>[^/]+)/(?:apis/)?(?P<api>[^/]+)/"
        "(?:revisions/)?(?P<revision>[0-9]+)"
    ),
    create=Call(
        "POST",
        f"{_DEPLOYMENT}/deployments",
        query={
            "override": "{override}",
            "sequencedRollout": "{sequencedRollout}",
            "serviceAccount": "{serviceAccount}",
        },
        constant={},
    ),
    read=Call("GET", f"{_DEPLOYMENT}/deployments"),
    update=_nothing,
    delete=_delete(f"{_DEPLOYMENT}/deployments"),
)

# ---- who may call -----------------------------------------------------------------------------------------------

_QUOTA = Field("quota", Kind.OBJECT, (Field("limit"), Field("interval"), Field("timeUnit")))
_ATTRIBUTES = Field("attributes", Kind.SET, _NAME_AND_VALUE)


def _operation_group(name: str, *config: Field, typed: bool = True) -> Field:
    members = (Field("apiSource"), *config, _QUOTA, _ATTRIBUTES)
    kind = (Field("operationConfigType"),) if typed else ()
    return Field(name, Kind.OBJECT, (Field("operationConfigs", Kind.SET, members), *kind))


API_PRODUCT = ResourceType(
    type="gcp:apigee/apiProduct:ApiProduct",
    fields=(
        _ORG_ID,
        _NAME,
        Field("displayName", required=True),
        Field("description"),
        Field("approvalType"),
        _ATTRIBUTES,
        Field("apiResources", Kind.SET),
        Field("environments", Kind.SET),
        Field("proxies", Kind.SET),
        Field("scopes", Kind.SET),
        Field("quota"),
        Field("quotaInterval"),
        Field("quotaTimeUnit"),
        Field("createdAt", output=True),
        Field("lastModifiedAt", output=True, volatile=True),
        _operation_group(
            "operationGroup", Field("operations", Kind.LIST, (Field("resource"), Field("methods", Kind.SET)))
        ),
        _operation_group(
            "graphqlOperationGroup",
            Field("operations", Kind.SET, (Field("operationTypes", Kind.SET), Field("operation"))),
        ),
        _operation_group("grpcOperationGroup", Field("methods", Kind.SET), Field("service"), typed=False),
        Field("quotaCounterScope"),
        Field("space", force_new=True),
        _DELETION_POLICY,
    ),
    id="{orgId}/apiproducts/{name}",
    import_id="(?P<orgId>organizations/[^/]+)/(?:apiproducts/)?(?P<name>[^/]+)",
    create=Call("POST", "{orgId}/apiproducts"),
    read=Call("GET", "{orgId}/apiproducts/{name}"),
    update=Call("PUT", "{orgId}/apiproducts/{name}"),
    delete=_delete("{orgId}/apiproducts/{name}"),
    omit_empty=True,
)

DEVELOPER = ResourceType(
    type="gcp:apigee/developer:Developer",
    fields=(
        _ORG_ID,
        Field("email", required=True, force_new=True),
        Field("firstName", required=True),
        Field("lastName", required=True),
        Field("userName", required=True),
        Field("attributes", Kind.LIST, _NAME_AND_VALUE),
        # The missing n is in the API.
        Field("organizatioName", output=True),
        Field("status", output=True),
        Field("createdAt", output=True),
        Field("lastModifiedAt", output=True, volatile=True),
        _DELETION_POLICY,
    ),
    id="{orgId}/developers/{email}",
    import_id="(?P<orgId>organizations/[^/]+)/(?:developers/)?(?P<email>[^/]+)",
    create=Call("POST", "{orgId}/developers"),
    read=Call("GET", "{orgId}/developers/{email}"),
    update=Call("PUT", "{orgId}/developers/{email}"),
    delete=_delete("{orgId}/developers/{email}"),
    omit_empty=True,
)

_APP = "{orgId}/developers/{developerEmail}/apps/{name}"
_APP_FIELDS = ("name", "appFamily", "callbackUrl", "keyExpiresIn", "status", "attributes")


def _create_app(session: Session, state: State) -> JsonObject:
    """Make the app; Apigee makes a key for it, which a key of the user's own then takes the place of."""
    body = to_api(DEVELOPER_APP, state.properties)
    answer = session.request("POST", fill("{orgId}/developers/{developerEmail}/apps", state.properties), body=body)
    if state.properties.get("consumerKey"):
        try:
            _use_own_key(session, state)
        except ApiError as problem:
            raise PartlyDoneError(answer, f"the app was created, but its own consumer key was not: {problem}") from None
    return answer


def _use_own_key(session: Session, state: State) -> None:
    """Put the user's key in the place of the generated ones; what an earlier attempt has done is left as it is."""
    app = fill(_APP, state.properties)
    present = [str(credential["consumerKey"]) for credential in _credentials(session.request("GET", app))]
    own = str(state.properties["consumerKey"])
    if own not in present:
        secret = state.properties.get("consumerSecret") or ""
        session.request("POST", f"{app}/keys", body={"consumerKey": own, "consumerSecret": secret})
    products = state.properties.get("apiProducts")
    if products:
        scopes = state.properties.get("scopes")
        body = {"apiProducts": products, **({"scopes": scopes} if scopes else {})}
        session.request("POST", f"{app}/{_key(own)}", body=body)
    for key in present:
        if key != own:
            _delete_if_there(session, f"{app}/{_key(key)}")


def _key(consumer_key: str) -> str:
    return fill("keys/{key}", {"key": consumer_key})


def _delete_if_there(session: Session, path: str) -> None:
    try:
        session.request("DELETE", path)
    except ApiError as problem:
        if not problem.gone:
            raise


def _update_app(session: Session, state: State) -> JsonObject | None:
    """Change the app, then the products and scopes of its key: an app that is put with products gets a new key."""
    app = fill(_APP, state.properties)
    if state.changed(*_APP_FIELDS):
        session.request("PUT", app, body=to_api(DEVELOPER_APP, state.properties, only=_APP_FIELDS))
    keys = [str(credential["consumerKey"]) for credential in _credentials(state.old)]
    own = state.properties.get("consumerKey") or (keys[0] if keys else "")
    if not own:
        raise RefusedError(f"{state.id} has no key whose products could be changed: replace the app")
    if keys != [own] and state.properties.get("consumerKey"):
        # The update that finishes a create which failed half way.
        _use_own_key(session, state)
        return None
    if not state.changed("apiProducts", "scopes"):
        return None
    key = f"{app}/{_key(str(own))}"
    wanted, had = _texts(state.properties, "apiProducts"), _texts(state.old, "apiProducts")
    added = [product for product in wanted if product not in had]
    if added:
        session.request("POST", key, body={"apiProducts": added})
    for product in (product for product in had if product not in wanted):
        _delete_if_there(session, f"{key}/apiproducts/{fill('{name}', {'name': product})}")
    if state.changed("scopes"):
        session.request("POST", key, body={"scopes": _texts(state.properties, "scopes")})
    return None


def _texts(properties: JsonObject, name: str) -> list[str]:
    return cast("list[str]", properties.get(name) or [])


def _credentials(app: JsonObject) -> list[JsonObject]:
    return cast("list[JsonObject]", app.get("credentials") or [])


def _app_read(document: JsonObject, _known: JsonObject) -> JsonObject:
    """The app's products and scopes are those of all its keys, and it expires as the first of them does."""
    credentials = _credentials(document)
    if not credentials:
        return document
    products = (
        str(product["apiproduct"])
        for credential in credentials
        for product in cast("list[JsonObject]", credential.get("apiProducts") or [])
    )
    return {
        **document,
        "keyExpiresIn": credentials[0].get("expiresAt"),
        "apiProducts": list(dict.fromkeys(products)),
        "scopes": list(dict.fromkeys(_all_scopes(credentials))),
    }


def _all_scopes(credentials: list[JsonObject]) -> Iterator[str]:
    for credential in credentials:
        yield from cast("list[str]", credential.get("scopes") or [])


DEVELOPER_APP = ResourceType(
    type="gcp:apigee/developerApp:DeveloperApp",
    fields=(
        _ORG_ID,
        Field("developerEmail", required=True, force_new=True, parent=True),
        Field("name", required=True, autoname=True),
        Field("appFamily", computed=True, force_new=True),
        Field("callbackUrl", required=True),
        Field("keyExpiresIn", default="-1", force_new=True),
        Field("apiProducts", Kind.SET),
        Field("scopes", Kind.SET),
        Field("developerId", output=True),
        Field("status", computed=True, force_new=True),
        Field("attributes", Kind.LIST, _NAME_AND_VALUE),
        Field("appId", output=True),
        Field("createdAt", output=True),
        Field("lastModifiedAt", output=True, volatile=True),
        Field("consumerKey", force_new=True, sent=False, read=False),
        Field("consumerSecret", force_new=True, sent=False, read=False, secret=True),
        Field(
            "credentials",
            Kind.LIST,
            (
                Field("consumerKey", output=True),
                Field("consumerSecret", output=True, secret=True),
                Field("expiresAt", output=True),
                Field("issuedAt", output=True),
                Field("status", output=True),
                Field("scopes", Kind.LIST, output=True),
                Field(
                    "apiProducts",
                    Kind.LIST,
                    (Field("apiproduct", output=True), Field("status", output=True)),
                    output=True,
                ),
                Field("attributes", Kind.LIST, _NAME_AND_VALUE, output=True),
            ),
            output=True,
            volatile=True,
        ),
        _DELETION_POLICY,
    ),
    id=_APP,
    import_id="(?P<orgId>organizations/[^/]+)/developers/(?P<developerEmail>[^/]+)/apps/(?P<name>.+)",
    create=_create_app,
    read=Call("GET", _APP),
    update=_update_app,
    delete=_delete(_APP),
    omit_empty=True,
    decode=_app_read,
)

# ---- the provider -----------------------------------------------------------------------------------------------

_ENDPOINT_FORM = re.compile(r".*/[^/]+/")


def _check(config: Mapping[str, str]) -> Mapping[str, str]:
    problems: dict[str, str] = {}
    endpoint = config.get("apigeeCustomEndpoint", "")
    if endpoint and not _ENDPOINT_FORM.fullmatch(endpoint):
        problems["apigeeCustomEndpoint"] = "must end with a slash, as in http://127.0.0.1:8080/v1/"
    if not config.get("project"):
        problems["project"] = "is not set: run `pulumi config set gcp:project PROJECT_ID`"
    if config.get("pollInterval") and _seconds(config["pollInterval"]) is None:
        problems["pollInterval"] = "must be a duration such as 2s or 500ms"
    return problems


def _seconds(duration: str) -> float | None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)", duration)
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[2]] if match else None


def connect(config: Mapping[str, str]) -> Session:
    """Open a session with an access token.

    Raises:
        RefusedError: there is no token. Credential files and the metadata server are left to the official provider.
    """
    token = config.get("accessToken", "")
    if not token:
        raise RefusedError(
            "gcp:accessToken is not set, and this stand-in for the gcp provider takes nothing else: set it (or "
            "GOOGLE_OAUTH_ACCESS_TOKEN to the output of `gcloud auth print-access-token`)"
        )
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "portcullis-stand-in-gcp"}
    quota_project = config.get("billingProject") or config.get("project", "")
    if config.get("userProjectOverride", "").lower() == "true" and quota_project:
        headers["X-Goog-User-Project"] = quota_project
    rest = RestSession(
        config.get("apigeeCustomEndpoint") or ENDPOINT, headers, Dialect(error=_error), query={"alt": "json"}
    )
    return GoogleSession(rest, _seconds(config.get("pollInterval", "")) or _DEFAULT_POLL_SECONDS)


GCP = Cloud(
    name="gcp",
    version="9.35.0",
    config=frozenset(
        {
            "accessToken",
            "addPulumiAttributionLabel",
            "batching",
            "billingProject",
            "credentials",
            "defaultLabels",
            "deletionPolicy",
            "disableGlobalProjectWarning",
            "disableGooglePartnerName",
            "externalCredentials",
            "googlePartnerName",
            "impersonateServiceAccount",
            "impersonateServiceAccountDelegates",
            "pollInterval",
            "preferGlobalEndpoints",
            "preferRegionalEndpoints",
            "project",
            "pulumiAttributionLabelAdditionStrategy",
            "region",
            "requestReason",
            "requestTimeout",
            "scopes",
            "skipRegionValidation",
            "universeDomain",
            "userProjectOverride",
            "zone",
        }
    ),
    config_suffix="CustomEndpoint",
    secret_config=frozenset({"accessToken", "credentials"}),
    environment={
        "accessToken": ("GOOGLE_OAUTH_ACCESS_TOKEN",),
        "apigeeCustomEndpoint": ("GOOGLE_APIGEE_CUSTOM_ENDPOINT",),
        "billingProject": ("GOOGLE_BILLING_PROJECT",),
        "project": ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
        "userProjectOverride": ("USER_PROJECT_OVERRIDE",),
    },
    resources=(
        ORGANIZATION,
        INSTANCE,
        INSTANCE_ATTACHMENT,
        ENVIRONMENT,
        ENV_GROUP,
        ENV_GROUP_ATTACHMENT,
        ENVIRONMENT_DEBUG_MASK,
        TARGET_SERVER,
        KEY_VALUE_MAP,
        KEY_VALUE_MAP_ENTRY,
        API,
        DEPLOYMENT,
        API_PRODUCT,
        DEVELOPER,
        DEVELOPER_APP,
    ),
    connect=connect,
    check=_check,
)
