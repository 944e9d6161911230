"""What a cloud's table is made of.

How to add a resource type
--------------------------
1. Find its token and properties in the SDK (`pulumi_gcp`, `pulumi_cloudflare`; the token is in `super().__init__`),
   and its requests in the official provider's source.
2. Write a `ResourceType`: one `Field` per property, named as Pulumi names it (camelCase), and one `Call` per request::

       ResourceType(
           type="gcp:apigee/targetServer:TargetServer",
           fields=(
               Field("envId", required=True, force_new=True, parent=True),
               Field("name", required=True, force_new=True, autoname=True),
               Field("port", Kind.INTEGER, required=True),
               Field("isEnabled", Kind.BOOLEAN, default=True),
               Field("sSlInfo", Kind.OBJECT, fields=(Field("enabled", Kind.BOOLEAN, required=True),), api="sSLInfo"),
               Field("protocol", computed=True),
               Field("state", output=True),
           ),
           id="{envId}/targetservers/{name}",
           import_id="(?P<envId>.+)/targetservers/(?P<name>[^/]+)",
           create=Call("POST", "{envId}/targetservers"),
           read=Call("GET", "{envId}/targetservers/{name}"),
           update=Call("PUT", "{envId}/targetservers/{name}"),
           delete=Call("DELETE", "{envId}/targetservers/{name}"),
       )

   Paths are relative to the cloud's base URL. `{property}` is that property's value, `{id}` the resource's id; in a
   query, a parameter whose properties are all unset is left out. In `id`, a name that is no property is taken from
   the API's answer to create (`{envgroupId}/attachments/{name}`).
3. Where the official provider does more than one request, or reads a file, give a function in place of the `Call`
   (`Operation`), or hooks: `encode` changes a request's body, `decode` the API's answer, `plan` adds what changes for
   reasons that no property shows.
4. Add it to the table of its `Cloud`, and a case to `tests/providers`.

Every property's value in an operation is plain JSON, `None` when unset, secrets revealed. A property that is not known
yet (in a preview) is `values.UNKNOWN`; operations only ever run when everything is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

from engine.providers.values import JsonObject, is_empty

Names: TypeAlias = Callable[[str], str]


class Kind(Enum):
    """The JSON type of a property."""

    STRING = "a string"
    INTEGER = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    LIST = "a list"
    SET = "a list whose order does not matter"
    MAP = "a map"
    OBJECT = "an object"
    ANY = "any value"


@dataclass(frozen=True)
class Field:
    """One property of a resource, or a member of an object property.

    Attributes:
        name: Pulumi's name for it, camelCase.
        kind: its type.
        fields: the members of an OBJECT, or of each item of a LIST or SET (then `items` is ignored).
        items: the type of each item of a LIST or SET, or of each value of a MAP, when these are no objects.
        api: the API's name for it, a dotted path where it is nested (`metaData.createdAt`); by default what the
            resource type's `naming` makes of `name`.
        required: the user must give it.
        default: what it is when the user does not give it (written to the state's inputs as the provider does).
        computed: when the user does not give it the API decides, and that is no difference.
        output: the user cannot give it.
        force_new: changing it replaces the resource.
        secret: always a secret in the state.
        parent: only names where the resource is: never in a body, never read back.
        sent: it is put in request bodies.
        read: it is taken from answers; otherwise what was given stays in the state.
        local: it says something to the plugin alone (whether it may delete the resource): neither sent nor read, and
            an update that changes nothing else sends nothing.
        autoname: without a value, Pulumi makes a unique one from the resource's logical name.
        volatile: (output or computed) an update may change it, so it is unknown in the preview of one.
        same: tells whether the old (state) and the new (wanted) value mean the same; both are known and set.
    """

    name: str
    kind: Kind = Kind.STRING
    fields: tuple[Field, ...] = ()
    items: Kind = Kind.STRING
    api: str = ""
    required: bool = False
    default: Any = None
    computed: bool = False
    output: bool = False
    force_new: bool = False
    secret: bool = False
    parent: bool = False
    sent: bool = True
    read: bool = True
    local: bool = False
    autoname: bool = False
    volatile: bool = False
    same: Callable[[Any, Any], bool] | None = None


class Session(Protocol):
    """An authenticated connection to a cloud's API; see `rest.RestSession`."""

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
        """Send `body` as JSON, or `content` as it is; return the answer's document.

        Raises:
            rest.ApiError: the API refused; `gone` tells whether because there is no such thing.
        """
        ...


@dataclass(frozen=True)
class State:
    """A resource as an operation sees it.

    Attributes:
        properties: the wanted properties; for read and delete, those of the state. All known, secrets revealed.
        old: the properties before an update; empty in any other operation.
        id: the resource's id, "" before it is created.
        answer: what the API answered to the create call, where an id is being made of it.
    """

    properties: JsonObject
    old: JsonObject = field(default_factory=dict[str, Any])
    id: str = ""
    answer: JsonObject = field(default_factory=dict[str, Any])

    def changed(self, *names: str) -> bool:
        """Whether the update changes any of these properties; unset and empty are the same."""
        pairs = ((self.properties.get(name), self.old.get(name)) for name in names)
        return any(new != old and not (is_empty(new) and is_empty(old)) for new, old in pairs)


Operation: TypeAlias = Callable[[Session, State], JsonObject | None]
"""Does what a `Call` cannot. Create and update return the API's document of the resource if they have it (its
members can be named in `ResourceType.id`), read returns that document, or `None` when the resource is gone."""


@dataclass(frozen=True)
class Call:
    """One request of the official provider.

    Attributes:
        method: the HTTP method.
        path: a template, see the module's docstring.
        query: templates by parameter.
        body: whether the fields are sent; otherwise there is no body.
        only: names of the only fields that are sent, all when empty.
        mask: the query parameter that names the changed members (`updateMask`); only these are sent then.
        constant: a body that is always the same, in place of the fields.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bool = True
    only: tuple[str, ...] = ()
    mask: str = ""
    constant: JsonObject | None = None


@dataclass(frozen=True)
class Change:
    """A property that changes, for `ResourceType.plan`, and whether its new value is not known yet.

    At least one of a plan's changes must be of a property that can be set: only those make an update.
    """

    name: str
    replaces: bool = False
    unknown: bool = False


def same_name(name: str) -> str:
    """The naming of APIs that use Pulumi's own names."""
    return name


def snake_case(name: str) -> str:
    """The naming of APIs that write `account_id` for Pulumi's `accountId`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _no_changes(_old: JsonObject, _new: JsonObject) -> tuple[Change, ...]:
    return ()


@dataclass(frozen=True)
class ResourceType:
    """One resource type: its properties and its requests.

    Attributes:
        type: Pulumi's type token.
        fields: all its properties.
        id: template of its id.
        create, read, update, delete: its requests; without `update` every change replaces; without `delete` (or
            `create`) nothing is sent.
        import_id: regular expression of the ids that `pulumi import` and a read by id alone take; its groups are
            properties.
        naming: the API's name for each property by its Pulumi name.
        omit_empty: leave false, 0, "", [] and {} out of bodies, as Google's provider does.
        encode: changes a body before it is sent: (body, state) -> body.
        decode: changes an API document before it is read: (document, properties) -> document.
        plan: (old state, new inputs with defaults) -> changes beyond the properties' own; runs in previews too.
        lock: template of what only one operation may hold at a time; "" when operations can run side by side.
        schema_version: of the official provider's schema, kept in the state for it.
    """

    type: str
    fields: tuple[Field, ...]
    id: str
    create: Call | Operation | None
    read: Call | Operation
    update: Call | Operation | None = None
    delete: Call | Operation | None = None
    import_id: str = ""
    naming: Names = same_name
    omit_empty: bool = False
    encode: Callable[[JsonObject, State], JsonObject] | None = None
    decode: Callable[[JsonObject, JsonObject], JsonObject] | None = None
    plan: Callable[[JsonObject, JsonObject], tuple[Change, ...]] = _no_changes
    lock: str = ""
    schema_version: int = 0

    def field(self, name: str) -> Field | None:
        """Return the property of that name."""
        return next((item for item in self.fields if item.name == name), None)


def _no_complaints(_config: Mapping[str, str]) -> Mapping[str, str]:
    return {}


class RefusedError(Exception):
    """An operation will not do what it is asked to; the text says why and what to do."""


class PartlyDoneError(Exception):
    """An operation made the resource and then failed: it must be kept in the state, as not finished.

    Attributes:
        answer: the API's document of what was made, for the resource's id.
        reason: what failed, in one sentence.
    """

    def __init__(self, answer: JsonObject, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


@dataclass(frozen=True)
class Cloud:
    """A cloud's table.

    Attributes:
        name: the Pulumi package, such as `gcp`.
        version: of the official provider that this table follows.
        config: the configuration keys of the official provider.
        config_suffix: any key that ends so is one, too (Google's many `...CustomEndpoint`).
        secret_config: those that are secrets.
        environment: for a configuration key, the environment variables that the official provider takes it from.
        resources: the resource types.
        connect: opens a session with the configuration (strings; unset keys are absent).
        check: what is wrong with a configuration, by key.
    """

    name: str
    version: str
    config: frozenset[str]
    secret_config: frozenset[str]
    environment: Mapping[str, tuple[str, ...]]
    resources: tuple[ResourceType, ...]
    connect: Callable[[Mapping[str, str]], Session]
    config_suffix: str = ""
    check: Callable[[Mapping[str, str]], Mapping[str, str]] = _no_complaints

    def takes(self, key: str) -> bool:
        """Whether the official provider has this configuration key."""
        return key in self.config or (bool(self.config_suffix) and key.endswith(self.config_suffix))

    def resource(self, token: str) -> ResourceType | None:
        """Return the resource type with that token."""
        return next((item for item in self.resources if item.type == token), None)
