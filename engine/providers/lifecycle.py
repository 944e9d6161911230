"""Create, read, update and delete one resource, as its table entry says."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.providers.differences import planned
from engine.providers.documents import api_name, as_inputs, fill, fill_id, fill_query, from_api, to_api
from engine.providers.inputs import convert
from engine.providers.rest import ApiError
from engine.providers.tables import Call, Operation, PartlyDoneError, ResourceType, Session, State
from engine.providers.values import JsonObject


@dataclass(frozen=True)
class Found:
    """A resource as the API has it: its id, its properties, and the inputs that would make it."""

    id: str
    properties: JsonObject
    inputs: JsonObject


class UnfinishedError(Exception):
    """The resource exists but is not as it should be; it must be kept in the state so that it can be finished.

    Attributes:
        id: the resource's id.
        properties: what is known of it, plain.
    """

    def __init__(self, resource_id: str, properties: JsonObject, reason: str) -> None:
        super().__init__(reason)
        self.id = resource_id
        self.properties = properties


class BadIdError(ValueError):
    """An id that no resource of the type can have; the text says what one looks like."""


class Locks:
    """One lock per thing that only one operation may touch at a time."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    @contextmanager
    def hold(self, name: str) -> Generator[None]:
        """Hold the lock of that name; an empty name is no lock."""
        if not name:
            yield
            return
        with self._guard:
            lock = self._locks[name]
        with lock:
            yield


@dataclass(frozen=True)
class Lifecycle:
    """The operations on resources of one type. All properties are plain: known, secrets revealed.

    Every method raises `ApiError` when the API refuses, and `documents.TemplateError` when a property that names the
    resource is unset.
    """

    resource: ResourceType
    session: Session
    locks: Locks

    def create(self, properties: JsonObject) -> Found:
        """Make the resource.

        Raises:
            UnfinishedError: it was made, and something failed afterwards.
        """
        unfinished = ""
        with self._locked(properties):
            try:
                answer = self._run(self.resource.create, State(properties)) or {}
            except PartlyDoneError as problem:
                answer, unfinished = problem.answer, problem.reason
            made = {**answer, **properties, **self._properties(answer, properties)}
            resource_id = fill_id(self.resource.id, made)
            known = {name: value for name, value in made.items() if self.resource.field(name)}
            if unfinished:
                raise UnfinishedError(resource_id, known, unfinished)
            try:
                found = self._read(State(known, id=resource_id))
            except ApiError as problem:
                raise UnfinishedError(resource_id, known, f"created, but cannot be read: {problem}") from problem
        if found is None:
            raise UnfinishedError(resource_id, properties, "created, but the API does not know it")
        return Found(resource_id, found, properties)

    def read(self, resource_id: str, properties: JsonObject, inputs: JsonObject) -> Found | None:
        """Return the resource as the API has it, or `None` where it is gone.

        With neither `properties` nor `inputs` the id is all that is known (an import), in any form that the official
        provider takes.

        Raises:
            BadIdError: the id alone does not say where the resource is.
        """
        known = properties or inputs
        if not known:
            known = self._from_id(resource_id)
            resource_id = fill_id(self.resource.id, known)
        found = self._read(State(known, id=resource_id))
        if found is None:
            return None
        return Found(resource_id, found, as_inputs(self.resource, found, inputs))

    def update(self, resource_id: str, old: JsonObject, new: JsonObject) -> JsonObject:
        """Change the resource from the state `old` to the inputs `new`; return its properties.

        Raises:
            UnfinishedError: it was changed, and something failed afterwards.
        """
        aim = planned(self.resource, old, new)
        with self._locked(aim):
            answer = (
                {} if self._only_local(old, new, aim) else self._run(self.resource.update, State(aim, old, resource_id))
            )
            aim = {**aim, **self._properties(answer or {}, aim)}
            try:
                found = self._read(State(aim, old, resource_id))
            except ApiError as problem:
                raise UnfinishedError(resource_id, aim, f"updated, but cannot be read: {problem}") from problem
        if found is None:
            raise UnfinishedError(resource_id, aim, "updated, but the API does not know it any more")
        return found

    def _only_local(self, old: JsonObject, new: JsonObject, aim: JsonObject) -> bool:
        """Whether the API has nothing to do with the update. One that changes nothing finishes a failed create."""
        changed = [item.local for item in self.resource.fields if aim.get(item.name) != old.get(item.name)]
        return bool(changed) and all(changed) and not self.resource.plan(old, new)

    def delete(self, resource_id: str, properties: JsonObject) -> None:
        """Delete the resource; one that is gone already is no problem."""
        known = properties or self._from_id(resource_id)
        with self._locked(known):
            try:
                self._run(self.resource.delete, State(known, id=resource_id))
            except ApiError as problem:
                if not problem.gone:
                    raise

    @contextmanager
    def _locked(self, properties: JsonObject) -> Generator[None]:
        with self.locks.hold(fill(self.resource.lock, properties)):
            yield

    def _read(self, state: State) -> JsonObject | None:
        try:
            document = self._run(self.resource.read, state)
        except ApiError as problem:
            if problem.gone:
                return None
            raise
        if document is None:
            return None
        return self._properties(document, state.properties)

    def _properties(self, document: JsonObject, known: JsonObject) -> JsonObject:
        """Return the properties in an API document; an answer without any document changes none."""
        if not document:
            return {}
        decoded = self.resource.decode(document, known) if self.resource.decode else document
        return from_api(self.resource, decoded, known)

    def _run(self, what: Call | Operation | None, state: State) -> JsonObject | None:
        if what is None:
            return None
        if not isinstance(what, Call):
            return what(self.session, state)
        return call(self.session, self.resource, what, state)

    def _from_id(self, resource_id: str) -> JsonObject:
        match = re.fullmatch(self.resource.import_id, resource_id) if self.resource.import_id else None
        if match is None:
            form = self.resource.id.replace("{", "").replace("}", "")
            raise BadIdError(f"`{resource_id}` is no id of a {self.resource.type}; one looks like `{form}`")
        given = match.groupdict()
        texts = {name: value for name, value in given.items() if value is not None}
        known = {item.name: convert(item.kind, texts[item.name]) for item in self.resource.fields if item.name in texts}
        return {**texts, **known}


def call(session: Session, resource: ResourceType, what: Call, state: State) -> JsonObject:
    """Send one request of a table entry; for `Operation`s that do more around it.

    Raises:
        ApiError: the API refused.
        documents.TemplateError: a property in the path is unset.
    """
    values = {**state.properties, "id": state.id}
    query = fill_query(what.query, values)
    body = what.constant
    if body is None and what.body and what.method not in ("GET", "DELETE"):
        only = what.only
        if what.mask:
            changed = [item for item in resource.fields if item.sent and not item.parent and state.changed(item.name)]
            changed = [item for item in changed if not item.output and (not only or item.name in only)]
            only = tuple(item.name for item in changed)
            query[what.mask] = ",".join(api_name(item, resource.naming) for item in changed)
        body = to_api(resource, state.properties, only) if only or not what.mask else {}
        body = resource.encode(body, state) if resource.encode else body
    return session.request(what.method, fill(what.path, values), query=query, body=body)
