"""The gRPC service of a provider plugin (pulumi/pulumi, proto/pulumi/provider.proto)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from engine.providers import inputs as checking
from engine.providers.differences import Difference, How, differences, previewed
from engine.providers.documents import TemplateError
from engine.providers.lifecycle import BadIdError, Lifecycle, Locks, UnfinishedError
from engine.providers.rest import ApiError
from engine.providers.tables import Cloud, Field, Kind, RefusedError, ResourceType, Session
from engine.providers.values import (
    JsonObject,
    Secret,
    from_struct,
    has_unknown,
    is_internal,
    mark_like,
    paired,
    plain,
    reveal,
    to_struct,
)

Context = grpc.ServicerContext
_Result = TypeVar("_Result")

META = "__meta"
"""Where the official providers keep their schema's version in the state."""
_SHORTEST_SECRET = 4

_KINDS = {
    (How.ADD, False): provider_pb2.PropertyDiff.ADD,
    (How.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (How.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (How.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (How.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (How.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


_OF_THE_ENGINE = frozenset({"version", "pluginDownloadURL"})
"""Settings of a provider that the engine itself reads: it hands them to the plugin with the others."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one cloud's table."""

    def __init__(self, cloud: Cloud, environment: Mapping[str, str] | None = None) -> None:
        """Serve `cloud`; `environment` holds the variables it may be configured by, the process's own by default."""
        self._cloud = cloud
        self._environment = os.environ if environment is None else environment
        self._session: Session | None = None
        self._unconfigured = "the provider has not been configured"
        self._locks = Locks()

    # The names below are the protocol's.

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Context) -> Any:  # noqa: N802
        """The version of the official provider whose table this is."""
        return plugin_pb2.PluginInfo(version=self._cloud.version)

    def GetSchema(self, request: provider_pb2.GetSchemaRequest, context: Context) -> Any:  # noqa: N802
        """The resource types and their properties, without documentation."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema(self._cloud)))

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> Any:  # noqa: N802
        """Refuse settings that the official provider does not have, or that cannot work."""
        given = from_struct(request.news)
        failures = {
            key: f"`{self._cloud.name}:{key}` is no setting of the {self._cloud.name} provider; remove it"
            for key in given
            if not is_internal(key) and key not in _OF_THE_ENGINE and not self._cloud.takes(key)
        }
        if not failures:
            known = {key: value for key, value in given.items() if not has_unknown(value)}
            found = self._cloud.check(self._settings(known))
            failures = {key: reason for key, reason in found.items() if not has_unknown(given.get(key))}
        marked: JsonObject = {
            key: Secret(reveal(value)) if key in self._cloud.secret_config else value for key, value in given.items()
        }
        return provider_pb2.CheckResponse(
            inputs=to_struct(marked),
            failures=[provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in failures.items()],
        )

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> Any:  # noqa: N802
        """What changed in the settings; none of them replaces anything."""
        old, new = plain(from_struct(request.olds)), plain(from_struct(request.news))
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            detailedDiff={key: provider_pb2.PropertyDiff(kind=_KINDS[(_how(old, new, key), False)]) for key in changed},
            hasDetailedDiff=True,
        )

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> Any:  # noqa: N802
        """Open the session. Settings that are not known yet leave it closed, which previews do without."""
        given = from_struct(request.args)
        if not given:
            given = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        unknown = sorted(key for key, value in given.items() if has_unknown(value))
        if unknown:
            self._unconfigured = f"the provider's settings {', '.join(unknown)} are not known yet"
        else:
            settings = self._settings(given)
            for key, reason in self._cloud.check(settings).items():
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{self._cloud.name}:{key}: {reason}")
            self._session = self._guarded(context, given, lambda: self._cloud.connect(settings))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> Any:  # noqa: N802
        """Fill in defaults; name every property that is missing, unknown to the table or of a wrong type."""
        resource = self._resource(request.urn, context)
        autonaming = request.autonaming if request.HasField("autonaming") else None
        options = provider_pb2.CheckRequest.AutonamingOptions
        naming = checking.Naming(
            resource=request.name or request.urn.rpartition("::")[2],
            seed=request.randomSeed,
            proposed=autonaming.proposed_name if autonaming else "",
            disabled=autonaming is not None and autonaming.mode == options.DISABLE,
        )
        checked, failures = checking.check(resource, from_struct(request.olds), from_struct(request.news), naming)
        return provider_pb2.CheckResponse(
            inputs=to_struct(_mark_fields(resource, checked)),
            failures=[provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in failures],
        )

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> Any:  # noqa: N802
        """Say which properties change, and which of them replace the resource."""
        resource = self._resource(request.urn, context)
        old, checked = plain(from_struct(request.olds)), from_struct(request.news)
        new = plain(checked)
        found = self._guarded(
            context, checked, lambda: differences(resource, old, new, ignore=tuple(request.ignoreChanges))
        )
        return _diff_response(resource, found, old, checked)

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> Any:  # noqa: N802
        """Make the resource, or say what is known of it in a preview."""
        resource = self._resource(request.urn, context)
        given = from_struct(request.properties)
        if request.preview:
            shown = self._guarded(context, given, lambda: previewed(resource, {}, plain(given)))
            return provider_pb2.CreateResponse(properties=_outputs(resource, shown, given, {}))
        lifecycle = self._lifecycle(resource, context)
        found = self._guarded(context, given, lambda: lifecycle.create(plain(given)), resource)
        return provider_pb2.CreateResponse(id=found.id, properties=_outputs(resource, found.properties, given, {}))

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> Any:  # noqa: N802
        """Return the resource as the API has it (refresh, import); an empty answer when it is gone."""
        resource = self._resource(request.urn, context)
        state, given = from_struct(request.properties), from_struct(request.inputs)
        lifecycle = self._lifecycle(resource, context)
        found = self._guarded(
            context, {**state, **given}, lambda: lifecycle.read(request.id, plain(state), plain(given))
        )
        if found is None:
            return provider_pb2.ReadResponse()
        kept = {name: value for name, value in given.items() if is_internal(name)}
        inputs: JsonObject = {checking.DEFAULTS: [], **_nested_marks(found.inputs, given), **kept}
        return provider_pb2.ReadResponse(
            id=found.id,
            properties=_outputs(resource, found.properties, {**given, **state}, state),
            inputs=to_struct(_mark_fields(resource, cast("JsonObject", mark_like(inputs, given)))),
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> Any:  # noqa: N802
        """Change the resource, or say in a preview what it will be."""
        resource = self._resource(request.urn, context)
        state, given = from_struct(request.olds), from_struct(request.news)
        old, new = plain(state), plain(given)
        if request.preview:
            shown = self._guarded(context, given, lambda: previewed(resource, old, new))
            return provider_pb2.UpdateResponse(properties=_outputs(resource, shown, given, state))
        lifecycle = self._lifecycle(resource, context)
        properties = self._guarded(
            context, {"news": given, "olds": state}, lambda: lifecycle.update(request.id, old, new), resource, given
        )
        return provider_pb2.UpdateResponse(properties=_outputs(resource, properties, given, state))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> Any:  # noqa: N802
        """Delete the resource."""
        resource = self._resource(request.urn, context)
        state = from_struct(request.properties)
        lifecycle = self._lifecycle(resource, context)
        self._guarded(context, state, lambda: lifecycle.delete(request.id, plain(state)))
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Context) -> Any:  # noqa: N802
        """No data sources."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"this stand-in for the {self._cloud.name} provider has no functions, so not {request.tok} either: "
            "install the official plugin to use it",
        )

    def Cancel(self, request: empty_pb2.Empty, context: Context) -> Any:  # noqa: N802
        """Nothing to do: every request ends by itself, and the engine waits for the ones under way."""
        return empty_pb2.Empty()

    def _resource(self, urn: str, context: Context) -> ResourceType:
        token = urn.split("::")[2].rpartition("$")[2] if urn.count("::") > 1 else urn
        resource = self._cloud.resource(token)
        if resource is None:
            _abort(
                context,
                grpc.StatusCode.UNIMPLEMENTED,
                f"this stand-in for the {self._cloud.name} provider does not know {token}: install the official "
                f"plugin (pulumi plugin install resource {self._cloud.name} {self._cloud.version}). "
                f"It knows: {', '.join(sorted(item.type for item in self._cloud.resources))}",
            )
        return resource

    def _lifecycle(self, resource: ResourceType, context: Context) -> Lifecycle:
        if self._session is None:
            _abort(context, grpc.StatusCode.FAILED_PRECONDITION, self._unconfigured)
        return Lifecycle(resource, self._session, self._locks)

    def _settings(self, given: JsonObject) -> dict[str, str]:
        """The configuration as text, with what the environment says where it says nothing."""
        settings: dict[str, str] = {}
        for key, variables in self._cloud.environment.items():
            value = next((self._environment[name] for name in variables if self._environment.get(name)), "")
            if value:
                settings[key] = value
        for key, value in given.items():
            revealed = reveal(value)
            if revealed not in (None, "") and not is_internal(key):
                settings[key] = revealed if isinstance(revealed, str) else json.dumps(revealed)
        return settings

    def _guarded(
        self,
        context: Context,
        secret_source: JsonObject,
        action: Callable[[], _Result],
        resource: ResourceType | None = None,
        given: JsonObject | None = None,
    ) -> _Result:
        """Run `action`; what it raises becomes an error of the call, without any secret of `secret_source`."""
        secrets = _secrets_in(secret_source)
        try:
            return action()
        except UnfinishedError as problem:
            assert resource is not None  # only create and update raise it, and they pass the type
            inputs = secret_source if given is None else given
            _abort_unfinished(context, resource, problem, inputs, _without(secrets, str(problem)))
        except ApiError as problem:
            _abort(context, grpc.StatusCode.UNKNOWN, _without(secrets, str(problem)))
        except (BadIdError, RefusedError, TemplateError, OSError) as problem:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, _without(secrets, str(problem)))


def _abort(context: Context, code: grpc.StatusCode, message: str) -> NoReturn:
    context.abort(code, message)
    raise AssertionError("unreachable: abort raises")


def _abort_unfinished(
    context: Context, resource: ResourceType, problem: UnfinishedError, given: JsonObject, reason: str
) -> NoReturn:
    """Fail in the way that makes the engine keep the resource, with what is known of it."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=problem.id,
            properties=_outputs(resource, problem.properties, given, {}),
            reasons=[reason],
            inputs=to_struct(given),
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _abort(context, grpc.StatusCode.UNKNOWN, reason)


def _secrets_in(value: Any) -> set[str]:
    """Every text inside something that is marked as secret."""
    if isinstance(value, Secret):
        return {text for text in _texts(reveal(value.value)) if len(text) >= _SHORTEST_SECRET}
    if isinstance(value, dict):
        return {text for part in cast("JsonObject", value).values() for text in _secrets_in(part)}
    if isinstance(value, list):
        return {text for part in cast("list[Any]", value) for text in _secrets_in(part)}
    return set()


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {text for part in cast("JsonObject", value).values() for text in _texts(part)}
    if isinstance(value, list):
        return {text for part in cast("list[Any]", value) for text in _texts(part)}
    return {value} if isinstance(value, str) else set()


def _without(secrets: set[str], text: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _how(old: JsonObject, new: JsonObject, key: str) -> How:
    if key not in old:
        return How.ADD
    return How.UPDATE if key in new else How.DELETE


def _diff_response(
    resource: ResourceType, found: list[Difference], old: JsonObject, checked: JsonObject
) -> provider_pb2.DiffResponse:
    response = provider_pb2.DiffResponse
    replaces = sorted({item.top for item in found if item.replaces})
    return response(
        changes=response.DIFF_SOME if found else response.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and _name_is_taken(resource, old, checked),
        diffs=sorted({item.top for item in found}),
        detailedDiff={item.path: provider_pb2.PropertyDiff(kind=_KINDS[(item.how, item.replaces)]) for item in found},
        hasDetailedDiff=True,
    )


def _name_is_taken(resource: ResourceType, old: JsonObject, checked: JsonObject) -> bool:
    """Whether the replacement would have the same, given name: then the old one has to go first (as in the bridge)."""
    automatic = cast("list[str]", reveal(checked.get(checking.DEFAULTS)) or [])
    return any(
        item.autoname and item.name not in automatic and old.get(item.name) == reveal(checked.get(item.name))
        for item in resource.fields
    )


def _outputs(resource: ResourceType, properties: JsonObject, given: JsonObject, state: JsonObject) -> struct_pb2.Struct:
    """The state to keep: secret where the table says so, or where an input or the old state is."""
    marked = cast("JsonObject", mark_like(mark_like(properties, given), state))
    marked = _mark_fields(resource, {name: value for name, value in marked.items() if not is_internal(name)})
    if META in state:
        marked[META] = state[META]
    elif resource.schema_version:
        marked[META] = json.dumps({"schema_version": str(resource.schema_version)})
    return to_struct(marked)


def _mark_fields(resource: ResourceType, properties: JsonObject) -> JsonObject:
    return {name: _mark_field(resource.field(name), value) for name, value in properties.items()}


def _mark_field(item: Field | None, value: Any) -> Any:
    if item is None or value is None or isinstance(value, Secret):
        return value
    if item.secret:
        return Secret(value)
    if item.fields and isinstance(value, dict):
        members = {member.name: member for member in item.fields}
        return {name: _mark_field(members.get(name), part) for name, part in cast("JsonObject", value).items()}
    if item.fields and isinstance(value, list):
        part_field = Field(item.name, Kind.OBJECT, item.fields)
        return [_mark_field(part_field, part) for part in cast("list[Any]", value)]
    return value


def _nested_marks(inputs: JsonObject, given: JsonObject) -> JsonObject:
    """Put the bookkeeping of nested objects back, so that a refresh changes nothing but what changed."""
    return {name: _with_bookkeeping(value, given.get(name)) for name, value in inputs.items()}


def _with_bookkeeping(value: Any, pattern: Any) -> Any:
    pattern = pattern.value if isinstance(pattern, Secret) else pattern
    if isinstance(value, dict):
        members = cast("JsonObject", value)
        was = cast("JsonObject", pattern) if isinstance(pattern, dict) else {}
        kept = {name: part for name, part in was.items() if is_internal(name)}
        return {**{name: _with_bookkeeping(part, was.get(name)) for name, part in members.items()}, **kept}
    pairs = paired(value, pattern)
    return value if pairs is None else [_with_bookkeeping(part, like) for part, like in pairs]


_SCHEMA_TYPES = {
    Kind.STRING: "string",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "boolean",
}


def schema(cloud: Cloud) -> JsonObject:
    """The Pulumi schema of a table: what can be set and what can be read, without documentation."""
    resources: JsonObject = {}
    for resource in cloud.resources:
        settable = {item.name: _schema_of(item) for item in resource.fields if not item.output}
        resources[resource.type] = {
            "properties": {item.name: _schema_of(item) for item in resource.fields},
            "inputProperties": settable,
            "requiredInputs": sorted(item.name for item in resource.fields if item.required),
        }
    return {"name": cloud.name, "version": cloud.version, "resources": resources}


def _schema_of(item: Field) -> JsonObject:
    found: JsonObject = {"type": _SCHEMA_TYPES.get(item.kind, "object")}
    if item.kind in (Kind.LIST, Kind.SET):
        found = {"type": "array", "items": _item_schema(item)}
    elif item.kind is Kind.MAP:
        found = {"type": "object", "additionalProperties": _item_schema(item)}
    elif item.kind in (Kind.OBJECT, Kind.ANY):
        found = {"$ref": "pulumi.json#/Any"}
    if item.secret:
        found["secret"] = True
    if item.force_new:
        found["willReplaceOnChanges"] = True
    return found


def _item_schema(item: Field) -> JsonObject:
    return {"$ref": "pulumi.json#/Any"} if item.fields else {"type": _SCHEMA_TYPES.get(item.items, "object")}
