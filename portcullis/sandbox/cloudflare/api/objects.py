"""Durable Object classes: which Worker has which, by the migrations of its versions.

Document: `cf.object_classes` key = worker id {tag, classes}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import (
    CLASS_TAKEN,
    NO_NEW_KV_CLASSES,
    NO_SUCH_CLASS,
    WRONG_MIGRATION_TAG,
    ApiError,
    invalid,
    not_emulated,
)
from portcullis.sandbox.cloudflare.api.calls import Call, expect_list, member
from portcullis.sandbox.store import JsonObject

CLASSES = "cf.object_classes"

_MEMBERS = frozenset({"old_tag", "new_tag", "new_sqlite_classes", "new_classes"})


def migrate(call: Call, worker: JsonObject, sent: JsonObject | None) -> str | None:
    """Apply the migration of an upload, if it has one, and return the tag that the Worker has then.

    A migration is applied once: an upload that brings one must name the tag before it (`old_tag`), which a Worker
    without any has not. Raises `ApiError` as Cloudflare does; renaming, moving and deleting classes are not emulated.
    """
    held: JsonObject = call.data.get(CLASSES, worker["id"]) or {"tag": None, "classes": []}
    migration: JsonObject = {name: value for name, value in (sent or {}).items() if value not in (None, [])}
    if not migration:
        return held["tag"]
    unknown = sorted(set(migration) - _MEMBERS)
    if unknown:
        raise not_emulated(f"{', '.join(unknown)} of a migration")
    if migration.get("old_tag") != held["tag"]:
        current = f"current tag is '{held['tag']}'" if held["tag"] else "there is no current tag"
        raise ApiError(412, WRONG_MIGRATION_TAG, f"Migration tag precondition failed; {current}")
    if "new_classes" in migration:
        raise ApiError(
            400, NO_NEW_KV_CLASSES, "Please create a namespace using a `new_sqlite_classes` migration instead."
        )
    new = _names(migration.get("new_sqlite_classes"))
    taken = sorted(set(new) & set(held["classes"]))
    if taken:
        already = f"class '{taken[0]}' that is already depended on by existing Durable Objects"
        raise ApiError(400, CLASS_TAKEN, f"Cannot apply new-sqlite-class migration to {already}")
    tag = member(migration, "new_tag", str, default=held["tag"] or "")
    call.data.put(CLASSES, worker["id"], {"tag": tag or None, "classes": [*held["classes"], *new]})
    return tag or None


def check_class(call: Call, owner: JsonObject | None, binding: JsonObject) -> None:
    """Check that the Worker `owner` has the class of a `durable_object_namespace` binding; raises `ApiError`."""
    name, script = binding["class_name"], binding.get("script_name")
    held: JsonObject = (call.data.get(CLASSES, owner["id"]) if owner else None) or {"classes": []}
    if name not in held["classes"]:
        where = f" of script '{script}'" if script else ""
        raise ApiError(
            400,
            NO_SUCH_CLASS,
            f"Cannot create binding for class '{name}'{where} because it is not currently configured to implement "
            "Durable Objects. Did you forget to apply a migration to it?",
        )


def _names(value: Any) -> Sequence[str]:
    names = expect_list(value or [], "new_sqlite_classes")
    if not all(isinstance(name, str) and name for name in names):
        raise invalid("new_sqlite_classes must be names of classes")
    return names
