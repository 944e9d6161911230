"""Cloudflare, as pulumi-cloudflare 6.17 (terraform-provider-cloudflare 5.19.1) speaks to it.

Reference: cloudflare/terraform-provider-cloudflare, internal/services; internal/apijson for what is read back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from engine.providers.documents import fill
from engine.providers.rest import Dialect, RestSession
from engine.providers.tables import (
    Call,
    Change,
    Cloud,
    Field,
    Kind,
    RefusedError,
    ResourceType,
    Session,
    State,
    snake_case,
)
from engine.providers.values import JsonObject, Unknown

ENDPOINT = "https://api.cloudflare.com/client/v4"

_ACCOUNT_ID = Field("accountId", required=True, force_new=True, parent=True)
_ZONE_ID = Field("zoneId", required=True, force_new=True, parent=True)
_SCRIPT_NAME = Field("scriptName", required=True, force_new=True, parent=True)


def _nothing(_session: Session, _state: State) -> JsonObject | None:
    """The update of a resource that its API cannot change: only the state is written anew, as the provider does."""
    return None


class CloudflareSession:
    """A `RestSession`, and what is no JSON: values of KV."""

    def __init__(self, rest: RestSession) -> None:
        """Speak through `rest`."""
        self._rest = rest

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
        """See `tables.Session`; an answer's document is its `result`."""
        return self._rest.request(method, path, query=query, body=body, content=content, content_type=content_type)

    def text(self, path: str) -> str:
        """GET a text as it is; raises `rest.ApiError`."""
        return self._rest.send("GET", path).content.decode("utf-8", "replace")


# ---- KV ---------------------------------------------------------------------------------------------------------

_NAMESPACES = "accounts/{accountId}/storage/kv/namespaces"

KV_NAMESPACE = ResourceType(
    type="cloudflare:index/workersKvNamespace:WorkersKvNamespace",
    fields=(
        _ACCOUNT_ID,
        Field("title", required=True),
        Field("supportsUrlEncoding", Kind.BOOLEAN, output=True),
    ),
    id="{id}",
    import_id="(?P<accountId>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _NAMESPACES),
    read=Call("GET", _NAMESPACES + "/{id}"),
    update=Call("PUT", _NAMESPACES + "/{id}"),
    delete=Call("DELETE", _NAMESPACES + "/{id}"),
    naming=snake_case,
)


def _kv_path(kind: str, state: State) -> str:
    """Return the path of a pair's value or metadata: every character of the key that needs it is escaped, / too."""
    namespace = fill(_NAMESPACES + "/{namespaceId}", state.properties)
    return f"{namespace}/{kind}/{quote(str(state.properties['keyName']), safe='')}"


def _put_pair(session: Session, state: State) -> None:
    fields = {name: state.properties.get(name) for name in ("value", "metadata")}
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
        if value is not None
    ]
    session.request(
        "PUT",
        _kv_path("values", state),
        content="".join([*parts, f"--{boundary}--\r\n"]).encode(),
        content_type=f"multipart/form-data; boundary={boundary}",
    )


def _read_pair(session: Session, state: State) -> JsonObject:
    value = cast("CloudflareSession", session).text(_kv_path("values", state))
    metadata = session.request("GET", _kv_path("metadata", state))
    return {
        "key_name": state.properties["keyName"],
        "value": value,
        "metadata": json.dumps(metadata) if metadata else None,
    }


def _delete_pair(session: Session, state: State) -> None:
    session.request("DELETE", _kv_path("values", state))


def _same_json(old: Any, new: Any) -> bool:
    try:
        return bool(json.loads(str(old)) == json.loads(str(new)))
    except ValueError:
        return bool(old == new)


KV_PAIR = ResourceType(
    type="cloudflare:index/workersKv:WorkersKv",
    fields=(
        _ACCOUNT_ID,
        Field("namespaceId", required=True, force_new=True, parent=True),
        Field("keyName", required=True, force_new=True),
        Field("value", required=True),
        Field("metadata", same=_same_json),
    ),
    id="{keyName}",
    import_id="(?P<accountId>[^/]+)/(?P<namespaceId>[^/]+)/(?P<keyName>.+)",
    create=_put_pair,
    read=_read_pair,
    update=_put_pair,
    delete=_delete_pair,
    naming=snake_case,
)

# ---- Worker -----------------------------------------------------------------------------------------------------

_WORKERS = "accounts/{accountId}/workers/workers"


def _sampling(*others: Field) -> tuple[Field, ...]:
    return (
        Field("enabled", Kind.BOOLEAN, default=False),
        Field("headSamplingRate", Kind.NUMBER, default=1),
        *others,
    )


_EXPORTED = (Field("destinations", Kind.LIST, computed=True), Field("persist", Kind.BOOLEAN, computed=True))


def _references(name: str, *members: str) -> Field:
    return Field(name, Kind.LIST, tuple(Field(member, output=True) for member in members), output=True)


_BY_NAMESPACE = ("namespaceId", "namespaceName", "workerId", "workerName")


def _worker_body(body: JsonObject, _state: State) -> JsonObject:
    """Previews follow the subdomain unless they are set."""
    subdomain = cast("JsonObject", body.get("subdomain") or {})
    if subdomain.get("previews_enabled") is None:
        body["subdomain"] = {**subdomain, "previews_enabled": bool(subdomain.get("enabled"))}
    return body


WORKER = ResourceType(
    type="cloudflare:index/worker:Worker",
    fields=(
        _ACCOUNT_ID,
        Field("name", required=True),
        Field("logpush", Kind.BOOLEAN, default=False),
        Field("tags", Kind.SET, default=[]),
        Field(
            "observability",
            Kind.OBJECT,
            _sampling(
                Field(
                    "logs",
                    Kind.OBJECT,
                    _sampling(Field("invocationLogs", Kind.BOOLEAN, default=True), *_EXPORTED),
                    computed=True,
                ),
                Field("traces", Kind.OBJECT, _sampling(*_EXPORTED), computed=True),
            ),
            default={
                "enabled": False,
                "headSamplingRate": 1,
                "logs": {"enabled": False, "headSamplingRate": 1, "invocationLogs": True},
            },
        ),
        Field(
            "subdomain",
            Kind.OBJECT,
            (
                Field("enabled", Kind.BOOLEAN, default=False),
                Field("previewsEnabled", Kind.BOOLEAN, computed=True),
            ),
            default={"enabled": False, "previewsEnabled": False},
        ),
        Field("tailConsumers", Kind.SET, (Field("name", required=True),), default=[]),
        Field("createdOn", output=True),
        Field("deployedOn", output=True, volatile=True),
        Field("updatedOn", output=True, volatile=True),
        Field(
            "references",
            Kind.OBJECT,
            (
                _references("dispatchNamespaceOutbounds", *_BY_NAMESPACE),
                _references("domains", "id", "certificateId", "hostname", "zoneId", "zoneName"),
                _references("durableObjects", *_BY_NAMESPACE),
                _references("queues", "queueConsumerId", "queueId", "queueName"),
                _references("workers", "id", "name"),
            ),
            output=True,
            volatile=True,
        ),
    ),
    id="{id}",
    import_id="(?P<accountId>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _WORKERS),
    read=Call("GET", _WORKERS + "/{id}"),
    update=Call("PUT", _WORKERS + "/{id}"),
    delete=Call("DELETE", _WORKERS + "/{id}"),
    naming=snake_case,
    encode=_worker_body,
)

# ---- Worker version ---------------------------------------------------------------------------------------------

_VERSIONS = _WORKERS + "/{workerId}/versions"
# The API keeps their text to itself, or may; the provider then keeps what is in the state.
_WRITE_ONLY_TEXT = ("secret_text", "plain_text")


def _module_content(module: JsonObject) -> bytes:
    """Return a module's bytes: of its file, whose path is relative to the working directory, or as it is given.

    Raises:
        RefusedError: it has neither or both, its file cannot be read, or its text is no base64.
    """
    name, path, text = module.get("name"), module.get("contentFile"), module.get("contentBase64")
    if (path is None) == (text is None):
        raise RefusedError(f"modules: {name} must have either contentFile or contentBase64")
    try:
        return base64.b64decode(str(text), validate=True) if path is None else _file(str(path)).read_bytes()
    except binascii.Error:
        raise RefusedError(f"modules: contentBase64 of {name} is not base64") from None
    except OSError as problem:
        raise RefusedError(f"modules: cannot read {path}: {problem.strerror}") from None


def _file(path: str) -> Path:
    return Path(path).expanduser() if path.startswith("~/") else Path(path)


def _modules(properties: JsonObject) -> list[JsonObject]:
    modules = properties.get("modules")
    return cast("list[JsonObject]", modules) if isinstance(modules, list) else []


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _module_changes(old: JsonObject, new: JsonObject) -> tuple[Change, ...]:
    """A module with other bytes replaces the version; runs in previews, where a module may not be known yet."""
    if not old:
        return ()
    before = {str(module.get("name")): module.get("contentSha256") for module in _modules(old)}
    for module in _modules(new):
        known = not any(isinstance(value, Unknown) for value in module.values())
        if known and before.get(str(module.get("name"))) != _sha256(_module_content(module)):
            return (Change("modules", replaces=True),)
    return ()


def _same_modules(old: Any, new: Any) -> bool:
    """Modules are a set: their order is no difference, and neither is where their bytes come from."""

    def named(modules: Any) -> list[tuple[str, ...]]:
        listed = cast("list[JsonObject]", modules)
        return sorted(
            tuple(str(module.get(key)) for key in ("name", "contentType", "contentFile")) for module in listed
        )

    return named(old) == named(new)


def _version_body(body: JsonObject, state: State) -> JsonObject:
    """Put the modules' bytes in, and the bindings in order of their names."""
    if "modules" in body:
        body["modules"] = [
            {
                "name": module["name"],
                "content_type": module["contentType"],
                "content_base64": base64.b64encode(_module_content(module)).decode(),
            }
            for module in _modules(state.properties)
        ]
    if "bindings" in body:
        body["bindings"] = sorted(cast("list[JsonObject]", body["bindings"]), key=lambda binding: str(binding["name"]))
    return body


def _version_read(document: JsonObject, known: JsonObject) -> JsonObject:
    return {
        **document,
        "modules": _modules_read(document, known) if "modules" in document else None,
        "bindings": _bindings_read(document, known) if "bindings" in document else None,
    }


def _modules_read(document: JsonObject, known: JsonObject) -> list[JsonObject]:
    """Tell each module by its hash; its bytes are in the state only where the user gave them there."""
    given = {str(module.get("name")): module for module in _modules(known)}
    modules: list[JsonObject] = []
    for module in cast("list[JsonObject]", document["modules"]):
        was = given.get(str(module["name"]), {})
        content = str(module.get("content_base64") or "")
        modules.append(
            {
                "name": module["name"],
                "content_type": module["content_type"],
                "content_file": was.get("contentFile"),
                "content_base64": None if was.get("contentFile") else content,
                "content_sha256": _sha256(base64.b64decode(content)),
            }
        )
    return _in_order_of(modules, list(given))


def _bindings_read(document: JsonObject, known: JsonObject) -> list[JsonObject]:
    given = {str(binding.get("name")): binding for binding in cast("list[JsonObject]", known.get("bindings") or [])}
    bindings: list[JsonObject] = []
    for binding in cast("list[JsonObject]", document["bindings"]):
        text = given.get(str(binding["name"]), {}).get("text")
        keeps = binding["type"] in _WRITE_ONLY_TEXT and text is not None
        bindings.append({**binding, "text": text} if keeps else binding)
    return _in_order_of(bindings, list(given))


def _in_order_of(items: list[JsonObject], names: list[str]) -> list[JsonObject]:
    """Return the items in the order of `names`, the others behind in their own."""
    places = {name: place for place, name in enumerate(names)}
    return sorted(items, key=lambda item: places.get(str(item["name"]), len(places)))


_BINDING = (
    Field("name", required=True),
    Field("type", required=True),
    Field("text", secret=True),
    Field("namespaceId", computed=True),
    Field("json", same=_same_json),
    Field("dataset"),
    Field("className"),
    Field("scriptName"),
    Field(
        "simple",
        Kind.OBJECT,
        (Field("limit", Kind.NUMBER, required=True), Field("period", Kind.INTEGER, required=True)),
    ),
    Field("oldName"),
    Field("versionId"),
    Field("service"),
    Field("environment"),
    Field("entrypoint"),
)

WORKER_VERSION = ResourceType(
    type="cloudflare:index/workerVersion:WorkerVersion",
    fields=(
        _ACCOUNT_ID,
        Field("workerId", required=True, force_new=True, parent=True),
        Field("compatibilityDate", force_new=True),
        Field("compatibilityFlags", Kind.SET, computed=True, force_new=True),
        Field("mainModule", force_new=True),
        Field(
            "modules",
            Kind.LIST,
            (
                Field("name", required=True, force_new=True),
                Field("contentType", required=True, force_new=True),
                Field("contentFile"),
                Field("contentBase64"),
                Field("contentSha256", output=True, api="content_sha256"),
            ),
            same=_same_modules,
        ),
        Field("bindings", Kind.LIST, _BINDING, force_new=True),
        Field(
            "annotations",
            Kind.OBJECT,
            (
                Field("workersMessage", api="workers/message"),
                Field("workersTag", api="workers/tag"),
                Field("workersTriggeredBy", api="workers/triggered_by", output=True),
            ),
            computed=True,
            force_new=True,
        ),
        Field(
            "limits",
            Kind.OBJECT,
            (Field("cpuMs", Kind.INTEGER), Field("subrequests", Kind.INTEGER)),
            computed=True,
            force_new=True,
        ),
        Field(
            "placement",
            Kind.OBJECT,
            (Field("mode"), Field("region"), Field("hostname"), Field("host")),
            force_new=True,
        ),
        # Applied once, when the version is made.
        Field(
            "migrations",
            Kind.OBJECT,
            (Field("oldTag"), Field("newTag"), Field("newSqliteClasses", Kind.LIST)),
            force_new=True,
        ),
        Field("usageModel", default="standard", force_new=True),
        Field("createdOn", output=True),
        Field("mainScriptBase64", output=True, api="main_script_base64"),
        Field("migrationTag", output=True),
        Field("number", Kind.INTEGER, output=True),
        Field("source", output=True),
        Field("startupTimeMs", Kind.INTEGER, output=True),
        Field("urls", Kind.LIST, output=True),
    ),
    id="{id}",
    import_id="(?P<accountId>[^/]+)/(?P<workerId>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _VERSIONS),
    read=Call("GET", _VERSIONS + "/{id}", query={"include": "modules"}),
    update=_nothing,
    # Cloudflare keeps versions, for rollbacks.
    delete=None,
    naming=snake_case,
    encode=_version_body,
    decode=_version_read,
    plan=_module_changes,
)

# ---- Deployment, schedules, subdomain ---------------------------------------------------------------------------

_SCRIPT = "accounts/{accountId}/workers/scripts/{scriptName}"

DEPLOYMENT = ResourceType(
    type="cloudflare:index/workersDeployment:WorkersDeployment",
    fields=(
        _ACCOUNT_ID,
        _SCRIPT_NAME,
        Field("strategy", required=True, force_new=True),
        Field(
            "versions",
            Kind.LIST,
            (Field("percentage", Kind.NUMBER, required=True), Field("versionId", required=True)),
            required=True,
            force_new=True,
        ),
        Field(
            "annotations",
            Kind.OBJECT,
            (
                Field("workersMessage", api="workers/message"),
                Field("workersTriggeredBy", api="workers/triggered_by", output=True),
            ),
            computed=True,
            force_new=True,
        ),
        Field("authorEmail", output=True),
        Field("createdOn", output=True),
        Field("source", output=True),
    ),
    id="{id}",
    import_id="(?P<accountId>[^/]+)/(?P<scriptName>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _SCRIPT + "/deployments"),
    read=Call("GET", _SCRIPT + "/deployments/{id}"),
    # What serves goes on serving until something else is deployed, or the Worker is deleted.
    delete=None,
    naming=snake_case,
)


def _put_schedules(session: Session, state: State) -> JsonObject:
    schedules = cast("list[JsonObject]", state.properties["schedules"])
    body = [{"cron": schedule["cron"]} for schedule in schedules]
    return session.request("PUT", fill(_SCRIPT + "/schedules", state.properties), body=body)


def _schedules_read(document: JsonObject, known: JsonObject) -> JsonObject:
    """Keep the schedules of the state, as the provider does: what somebody else changed there is not seen."""
    found = {str(item["cron"]): item for item in cast("list[JsonObject]", document.get("schedules") or [])}
    wanted = [str(item["cron"]) for item in cast("list[JsonObject]", known.get("schedules") or [])]
    return {"schedules": [found.get(cron, {"cron": cron}) for cron in wanted or found]}


CRON_TRIGGER = ResourceType(
    type="cloudflare:index/workersCronTrigger:WorkersCronTrigger",
    fields=(
        _ACCOUNT_ID,
        _SCRIPT_NAME,
        Field(
            "schedules",
            Kind.LIST,
            (Field("cron", required=True), Field("createdOn", output=True), Field("modifiedOn", output=True)),
            required=True,
        ),
    ),
    id="{scriptName}",
    import_id="(?P<accountId>[^/]+)/(?P<scriptName>[^/]+)",
    create=_put_schedules,
    read=Call("GET", _SCRIPT + "/schedules"),
    update=_put_schedules,
    # The provider leaves the schedules as they are; they go with the Worker.
    delete=None,
    naming=snake_case,
    decode=_schedules_read,
)

SCRIPT_SUBDOMAIN = ResourceType(
    type="cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain",
    fields=(
        _ACCOUNT_ID,
        _SCRIPT_NAME,
        Field("enabled", Kind.BOOLEAN, required=True),
        Field("previewsEnabled", Kind.BOOLEAN, computed=True),
    ),
    id="{scriptName}",
    import_id="(?P<accountId>[^/]+)/(?P<scriptName>[^/]+)",
    create=Call("POST", _SCRIPT + "/subdomain"),
    read=Call("GET", _SCRIPT + "/subdomain"),
    update=Call("POST", _SCRIPT + "/subdomain"),
    delete=Call("DELETE", _SCRIPT + "/subdomain"),
    naming=snake_case,
)

# ---- the way to the Worker --------------------------------------------------------------------------------------

_ROUTES = "zones/{zoneId}/workers/routes"

ROUTE = ResourceType(
    type="cloudflare:index/workersRoute:WorkersRoute",
    fields=(_ZONE_ID, Field("pattern", required=True), Field("script")),
    id="{id}",
    import_id="(?P<zoneId>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _ROUTES),
    read=Call("GET", _ROUTES + "/{id}"),
    update=Call("PUT", _ROUTES + "/{id}"),
    delete=Call("DELETE", _ROUTES + "/{id}"),
    naming=snake_case,
)

_DOMAINS = "accounts/{accountId}/workers/domains"

CUSTOM_DOMAIN = ResourceType(
    type="cloudflare:index/workersCustomDomain:WorkersCustomDomain",
    fields=(
        _ACCOUNT_ID,
        Field("hostname", required=True, force_new=True),
        Field("service", required=True, force_new=True),
        Field("zoneId", computed=True, force_new=True),
        Field("zoneName", computed=True, force_new=True),
        Field("environment", computed=True, force_new=True),
        Field("certId", output=True),
    ),
    id="{id}",
    import_id="(?P<accountId>[^/]+)/(?P<id>[^/]+)",
    create=Call("PUT", _DOMAINS),
    read=Call("GET", _DOMAINS + "/{id}"),
    delete=Call("DELETE", _DOMAINS + "/{id}"),
    naming=snake_case,
)

_RECORDS = "zones/{zoneId}/dns_records"
_AUTOMATIC_TTL = 1


def _record_body(body: JsonObject, _state: State) -> JsonObject:
    if body.get("proxied") and body.get("ttl") != _AUTOMATIC_TTL:
        raise RefusedError("ttl must be set to 1 when `proxied` is true: Cloudflare controls the TTL of such a record")
    return body


def _record_read(document: JsonObject, _known: JsonObject) -> JsonObject:
    meta = document.get("meta")
    return {**document, "meta": None if meta is None else json.dumps(meta, sort_keys=True)}


DNS_RECORD = ResourceType(
    type="cloudflare:index/dnsRecord:DnsRecord",
    fields=(
        _ZONE_ID,
        Field("name", required=True),
        Field("ttl", Kind.NUMBER, required=True),
        Field("type", required=True),
        Field("comment"),
        Field("content", computed=True),
        Field("data", Kind.ANY),
        Field("priority", Kind.NUMBER),
        Field("privateRouting", Kind.BOOLEAN, computed=True),
        Field("proxied", Kind.BOOLEAN, default=False),
        Field(
            "settings",
            Kind.OBJECT,
            (
                Field("flattenCname", Kind.BOOLEAN, computed=True),
                Field("ipv4Only", Kind.BOOLEAN, computed=True, api="ipv4_only"),
                Field("ipv6Only", Kind.BOOLEAN, computed=True, api="ipv6_only"),
            ),
            computed=True,
        ),
        Field("tags", Kind.SET, computed=True),
        Field("commentModifiedOn", output=True, volatile=True),
        Field("createdOn", output=True),
        Field("meta", output=True),
        Field("modifiedOn", output=True, volatile=True),
        Field("proxiable", Kind.BOOLEAN, output=True),
        Field("tagsModifiedOn", output=True, volatile=True),
    ),
    id="{id}",
    import_id="(?P<zoneId>[^/]+)/(?P<id>[^/]+)",
    create=Call("POST", _RECORDS),
    read=Call("GET", _RECORDS + "/{id}"),
    update=Call("PUT", _RECORDS + "/{id}"),
    delete=Call("DELETE", _RECORDS + "/{id}"),
    naming=snake_case,
    encode=_record_body,
    decode=_record_read,
)

# ---- the provider -----------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[0-9A-Za-z_-]{40,80}")
_KEY = re.compile(r"[0-9A-Za-z_-]{37,60}")


def _error(document: JsonObject) -> str:
    """What a Cloudflare error says: each message with its code."""
    errors = cast("list[JsonObject]", document.get("errors") or [])
    return "\n".join(f"{error.get('message')} (code {error.get('code')})" for error in errors)


def _result(document: JsonObject) -> JsonObject:
    result = document.get("result")
    return cast("JsonObject", result) if isinstance(result, dict) else {}


def _check(config: Mapping[str, str]) -> Mapping[str, str]:
    """Hold the settings against the official provider's rules; none of their values is told."""
    problems: dict[str, str] = {}
    token, key = config.get("apiToken", ""), config.get("apiKey", "")
    if token and not _TOKEN.fullmatch(token):
        problems["apiToken"] = "API tokens must be 40 to 80 characters, only a-z, A-Z, 0-9, hyphens and underscores"
    if key and not _KEY.fullmatch(key):
        problems["apiKey"] = "API keys must be 37 to 60 characters, only a-z, A-Z, 0-9, hyphens and underscores"
    if key and not token and not config.get("email"):
        problems["email"] = "must be set beside apiKey"
    base_url = config.get("baseUrl", "")
    if base_url and not base_url.startswith(("http://", "https://")):
        problems["baseUrl"] = "must be a URL such as http://127.0.0.1:8787/client/v4"
    return problems


def _credentials(config: Mapping[str, str]) -> dict[str, str]:
    if config.get("apiToken"):
        return {"Authorization": f"Bearer {config['apiToken']}"}
    if config.get("apiKey"):
        return {"X-Auth-Key": config["apiKey"], "X-Auth-Email": config["email"]}
    raise RefusedError(
        "no Cloudflare credentials: run `pulumi config set --secret cloudflare:apiToken`, or set CLOUDFLARE_API_TOKEN"
    )


def connect(config: Mapping[str, str]) -> Session:
    """Open a session with an API token, or an API key and its e-mail address; raises `RefusedError` without."""
    suffix = config.get("userAgentOperatorSuffix", "")
    headers = {**_credentials(config), "User-Agent": f"portcullis-stand-in-cloudflare {suffix}".rstrip()}
    dialect = Dialect(error=_error, unwrap=_result)
    return CloudflareSession(RestSession(config.get("baseUrl") or ENDPOINT, headers, dialect))


CLOUDFLARE = Cloud(
    name="cloudflare",
    version="6.17.0",
    config=frozenset({"apiKey", "apiToken", "apiUserServiceKey", "baseUrl", "email", "userAgentOperatorSuffix"}),
    secret_config=frozenset({"apiKey", "apiToken", "apiUserServiceKey"}),
    environment={
        "apiKey": ("CLOUDFLARE_API_KEY",),
        "apiToken": ("CLOUDFLARE_API_TOKEN",),
        "apiUserServiceKey": ("CLOUDFLARE_API_USER_SERVICE_KEY",),
        "baseUrl": ("CLOUDFLARE_BASE_URL",),
        "email": ("CLOUDFLARE_EMAIL",),
        "userAgentOperatorSuffix": ("CLOUDFLARE_USER_AGENT_OPERATOR_SUFFIX",),
    },
    resources=(
        KV_NAMESPACE,
        KV_PAIR,
        WORKER,
        WORKER_VERSION,
        DEPLOYMENT,
        CRON_TRIGGER,
        SCRIPT_SUBDOMAIN,
        ROUTE,
        CUSTOM_DOMAIN,
        DNS_RECORD,
    ),
    connect=connect,
    check=_check,
)
