"""What the sandbox's store promises."""

import stat
from pathlib import Path

from portcullis.sandbox.store import Store


def test_a_document_survives_a_restart(tmp_path: Path) -> None:
    Store(tmp_path / "state.db").put("apis", "org/orders", {"name": "orders"})
    assert Store(tmp_path / "state.db").get("apis", "org/orders") == {"name": "orders"}


def test_documents_come_in_the_order_of_their_first_put() -> None:
    store = Store()
    for key in ("b", "a", "c"):
        store.put("things", key, {"key": key})
    store.put("things", "b", {"key": "b again"})
    assert [key for key, _ in store.items("things")] == ["b", "a", "c"]
    assert store.get("things", "b") == {"key": "b again"}


def test_a_prefix_selects_keys_and_is_no_pattern() -> None:
    store = Store()
    for key in ("org/a", "org/b", "or%/c", "other/d"):
        store.put("things", key, {})
    assert [key for key, _ in store.items("things", "org/")] == ["org/a", "org/b"]
    assert [key for key, _ in store.items("things", "or%")] == ["or%/c"]


def test_collections_are_apart_and_deleting_says_whether_there_was_one() -> None:
    store = Store()
    store.put("one", "key", {"in": "one"})
    assert store.get("two", "key") is None
    assert store.delete("one", "key")
    assert not store.delete("one", "key")


def test_blobs_are_kept_to_the_byte() -> None:
    store = Store()
    store.put_blob("bundles", "org/apis/p/1", b"\x00PK\xff")
    assert store.get_blob("bundles", "org/apis/p/1") == b"\x00PK\xff"
    assert store.delete_blob("bundles", "org/apis/p/1")
    assert store.get_blob("bundles", "org/apis/p/1") is None


def test_clear_forgets_everything() -> None:
    store = Store()
    store.put("things", "a", {})
    store.put_blob("things", "a", b"a")
    store.clear()
    assert store.items("things") == []
    assert store.get_blob("things", "a") is None


def test_the_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    Store(tmp_path / "state.db")
    assert stat.S_IMODE((tmp_path / "state.db").stat().st_mode) == 0o600
