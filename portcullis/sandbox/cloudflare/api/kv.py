"""Workers KV: namespaces, values and their metadata (`/accounts/{account}/storage/kv/namespaces`).

Documents: `cf.kv_namespaces` key = id {id, title, account}; a value is the blob `cf.kv` key = "{namespace}/{key}"
with the document `cf.kv_meta` of the same key {expiration: seconds since the epoch or null, metadata}.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from typing import Any

from portcullis.sandbox.cloudflare.api.answers import (
    BAD_BODY,
    NO_SUCH_KEY,
    NO_SUCH_NAMESPACE,
    TITLE_TAKEN,
    TOO_LARGE,
    ApiError,
    Paged,
    Raw,
    invalid,
)
from portcullis.sandbox.cloudflare.api.bindings import KV_NAMESPACES
from portcullis.sandbox.cloudflare.api.calls import Call, Endpoint, expect_list, expect_object, member, name_member
from portcullis.sandbox.store import JsonObject

VALUES = "cf.kv"
META = "cf.kv_meta"

# https://developers.cloudflare.com/kv/platform/limits
MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 25 * 1024 * 1024
MAX_METADATA_BYTES = 1024
MIN_TTL_SECONDS = 60
MAX_BULK_KEYS = 10_000
MAX_LISTED = 1000

_UPLOAD_BYTES = MAX_VALUE_BYTES + 64 * 1024
_BULK_BYTES = 100 * 1024 * 1024


def _create(call: Call) -> JsonObject:
    namespace = {"id": uuid.uuid4().hex, "title": _title(call, ""), "account": call.account}
    call.data.put(KV_NAMESPACES, namespace["id"], namespace)
    return _view(namespace)


def _rename(call: Call) -> JsonObject:
    namespace = _find(call)
    namespace |= {"title": _title(call, namespace["id"])}
    call.data.put(KV_NAMESPACES, namespace["id"], namespace)
    return _view(namespace)


def _title(call: Call, own_id: str) -> str:
    title = name_member(call.object(), "title", 512)
    for namespace_id, other in call.data.items(KV_NAMESPACES):
        if (other["account"], other["title"]) == (call.account, title) and namespace_id != own_id:
            raise invalid(f"a namespace with this account ID and title already exists: {title!r}", TITLE_TAKEN)
    return title


def _read(call: Call) -> JsonObject:
    return _view(_find(call))


def _list(call: Call) -> Paged:
    return Paged([_view(item) for _, item in call.data.items(KV_NAMESPACES) if item["account"] == call.account])


def _delete(call: Call) -> JsonObject:
    namespace = _find(call)
    prefix = f"{namespace['id']}/"
    for key, _ in call.data.items(META, prefix):
        call.data.delete_blob(VALUES, key)
    call.data.delete_all(META, prefix)
    call.data.delete(KV_NAMESPACES, namespace["id"])
    return {}


def _find(call: Call) -> JsonObject:
    namespace = call.data.get(KV_NAMESPACES, call.params["namespace"])
    if namespace is None or namespace["account"] != call.account:
        raise ApiError(404, NO_SUCH_NAMESPACE, f"namespace not found: {call.params['namespace']}")
    return namespace


def _view(namespace: JsonObject) -> JsonObject:
    return {"id": namespace["id"], "title": namespace["title"], "supports_url_encoding": True}


def _put_value(call: Call) -> JsonObject:
    namespace = _find(call)
    value, metadata = _value_and_metadata(call)
    _store(call, namespace["id"], call.params["key"], value, metadata, _expiration(call, call.query))
    return {}


def _value_and_metadata(call: Call) -> tuple[bytes, Any]:
    """Read a value that is the whole body, or the field `value` of a form beside its `metadata`."""
    if not call.content_type.startswith("multipart/"):
        return call.body, None
    fields = {part.name: part.content for part in call.parts()}
    if "value" not in fields:
        raise invalid("the form has no field value", BAD_BODY)
    text = fields.get("metadata")
    if not text:
        return fields["value"], None
    try:
        return fields["value"], json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("metadata is not JSON", BAD_BODY) from None


def _expiration(call: Call, given: Any) -> int | None:
    """Return when the value expires, seconds since the epoch, or `None` for never."""
    ttl, at = given.get("expiration_ttl"), given.get("expiration")
    try:
        if ttl is not None:
            seconds = int(call.seconds) + int(ttl)
        elif at is not None:
            seconds = int(at)
        else:
            return None
    except (TypeError, ValueError):
        raise invalid("expiration and expiration_ttl must be whole numbers of seconds", BAD_BODY) from None
    if seconds < call.seconds + MIN_TTL_SECONDS - 1:
        raise invalid(f"a value must live {MIN_TTL_SECONDS} seconds or longer", BAD_BODY)
    return seconds


def _store(call: Call, namespace_id: str, key: str, value: bytes, metadata: Any, expiration: int | None) -> None:
    if not 0 < len(key.encode()) <= MAX_KEY_BYTES or key in {".", ".."}:
        raise invalid(f"a key must have 1 to {MAX_KEY_BYTES} bytes and be neither . nor ..", BAD_BODY)
    if len(value) > MAX_VALUE_BYTES:
        raise ApiError(413, TOO_LARGE, f"the value has {len(value)} bytes; {MAX_VALUE_BYTES} is the most")
    if metadata is not None and len(json.dumps(metadata).encode()) > MAX_METADATA_BYTES:
        raise invalid(f"the metadata has over {MAX_METADATA_BYTES} bytes of JSON", BAD_BODY)
    call.data.put_blob(VALUES, f"{namespace_id}/{key}", value)
    call.data.put(META, f"{namespace_id}/{key}", {"expiration": expiration, "metadata": metadata})


def _get_value(call: Call) -> Raw:
    key, meta = _live(call)
    value = call.data.get_blob(VALUES, key) or b""
    headers = {} if meta["expiration"] is None else {"Expiration": str(meta["expiration"])}
    return Raw(value, "application/octet-stream", headers)


def _get_metadata(call: Call) -> Any:
    return _live(call)[1]["metadata"]


def _live(call: Call) -> tuple[str, JsonObject]:
    """Return the store's key and the metadata of a value that has not expired; raises `ApiError` (404)."""
    key = f"{_find(call)['id']}/{call.params['key']}"
    meta = call.data.get(META, key)
    if meta is None or _expired(call, meta):
        raise ApiError(404, NO_SUCH_KEY, "get: 'key not found'")
    return key, meta


def _expired(call: Call, meta: JsonObject) -> bool:
    return meta["expiration"] is not None and meta["expiration"] <= call.seconds


def _delete_value(call: Call) -> JsonObject:
    """Delete a value; as at Cloudflare, a key that is not there is no error."""
    _remove(call, f"{_find(call)['id']}/{call.params['key']}")
    return {}


def _remove(call: Call, key: str) -> None:
    call.data.delete_blob(VALUES, key)
    call.data.delete(META, key)


def _list_keys(call: Call) -> Paged:
    namespace_id = _find(call)["id"]
    prefix = call.query.get("prefix", "")
    after = call.query.get("cursor", "")
    limit = call.query.get("limit", str(MAX_LISTED))
    if not limit.isdecimal() or not 10 <= int(limit) <= MAX_LISTED:
        raise invalid(f"limit must be a number from 10 to {MAX_LISTED}", BAD_BODY)
    found = {
        key.partition("/")[2]: meta
        for key, meta in call.data.items(META, f"{namespace_id}/{prefix}")
        if not _expired(call, meta)
    }
    names = sorted(name for name in found if name > after)
    page = names[: int(limit)]
    cursor = page[-1] if len(names) > len(page) else ""
    return Paged([_listed(name, found[name]) for name in page], {"count": len(page), "cursor": cursor})


def _listed(name: str, meta: JsonObject) -> JsonObject:
    return {"name": name} | {member_name: value for member_name, value in meta.items() if value is not None}


def _put_bulk(call: Call) -> JsonObject:
    namespace_id = _find(call)["id"]
    pairs = _bulk(call)
    for item in pairs:
        pair = expect_object(item, "a pair")
        value = member(pair, "value", str).encode()
        if member(pair, "base64", bool, default=False):
            try:
                value = base64.b64decode(value, validate=True)
            except binascii.Error:
                raise invalid("a value marked base64 is not", BAD_BODY) from None
        _store(call, namespace_id, member(pair, "key", str), value, pair.get("metadata"), _expiration(call, pair))
    return {"successful_key_count": len(pairs), "unsuccessful_keys": []}


def _delete_bulk(call: Call) -> JsonObject:
    namespace_id = _find(call)["id"]
    names = _bulk(call)
    for name in names:
        _remove(call, f"{namespace_id}/{name}")
    return {"successful_key_count": len(names), "unsuccessful_keys": []}


def _bulk(call: Call) -> list[Any]:
    items = expect_list(call.json(), "the body")
    if len(items) > MAX_BULK_KEYS:
        raise invalid(f"at most {MAX_BULK_KEYS} keys at once, not {len(items)}", BAD_BODY)
    return items


_ALL = "accounts/{account}/storage/kv/namespaces"
_ONE = _ALL + "/{namespace}"
ENDPOINTS = (
    Endpoint("POST", _ALL, _create),
    Endpoint("GET", _ALL, _list),
    Endpoint("GET", _ONE, _read),
    Endpoint("PUT", _ONE, _rename),
    Endpoint("DELETE", _ONE, _delete),
    Endpoint("PUT", _ONE + "/values/{key}", _put_value, limit=_UPLOAD_BYTES),
    Endpoint("GET", _ONE + "/values/{key}", _get_value),
    Endpoint("DELETE", _ONE + "/values/{key}", _delete_value),
    Endpoint("GET", _ONE + "/metadata/{key}", _get_metadata),
    Endpoint("GET", _ONE + "/keys", _list_keys),
    Endpoint("PUT", _ONE + "/bulk", _put_bulk, limit=_BULK_BYTES),
    Endpoint("DELETE", _ONE + "/bulk", _delete_bulk),
    Endpoint("POST", _ONE + "/bulk/delete", _delete_bulk),
)
