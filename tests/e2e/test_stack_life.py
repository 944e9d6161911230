"""The stack's life by the real engine: nothing to do, refresh, one changed quota, rotation, destroy."""

import json
import sqlite3

from tests.e2e.checkout import Checkout


def test_a_second_preview_has_nothing_to_do(provisioned: Checkout) -> None:
    provisioned.pulumi("preview", "--expect-no-changes")


def test_a_refresh_finds_no_change(provisioned: Checkout) -> None:
    provisioned.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    provisioned.pulumi("preview", "--expect-no-changes")


def test_one_changed_quota_shows_its_product_and_the_policy_table(provisioned: Checkout) -> None:
    overlay = provisioned.root / "gateway.local.yaml"
    overlay.write_text("products: {orders: {quota: {requests: 121}}}\n", encoding="utf-8")
    try:
        changes = provisioned.changes()
    finally:
        overlay.unlink()
    assert changes == {
        "gateway-apigee-product-orders": "update",
        # The policy table is a module of the Worker's version, which is deployed anew.
        "gateway-edge-version": "replace",
        "gateway-edge-deployment": "replace",
    }


def test_a_due_rotation_is_shown_and_taken_by_one_slot(provisioned: Checkout) -> None:
    before = provisioned.portcullis("ring")
    provisioned.portcullis("clock", "advance", "73h")
    assert provisioned.pulumi("preview", "--expect-no-changes", check=False).returncode != 0
    generation = before["generation"]
    changes = provisioned.changes()
    assert changes["gateway-ring-generation"] == "update"
    assert changes[f"gateway-ring-signing-{generation + 2}"] == "create"
    assert changes[f"gateway-apigee-key-{generation + 2}"] == "create"
    assert changes[f"gateway-ring-signing-{generation}"] == "delete"
    assert f"gateway-apigee-key-{generation}" not in changes
    provisioned.up()
    after = provisioned.portcullis("ring")
    assert after["generation"] == generation + 1
    assert after["current_kid"] == before["published_kids"][-1]
    assert provisioned.portcullis("call", "GET", "/orders")["status"] == 200
    provisioned.pulumi("preview", "--expect-no-changes")


def test_rotating_twice_keeps_three_keys_and_every_call_is_answered(provisioned: Checkout) -> None:
    for _ in range(2):
        provisioned.portcullis("clock", "advance", "25h")
        provisioned.up()
        answer = provisioned.portcullis("call", "GET", "/orders")
        assert answer["status"] == 200
        ring = provisioned.portcullis("ring")
        assert len(ring["published_kids"]) == 3
        assert answer["hops"][0]["kid"] == ring["current_kid"]
        assert answer["hops"][0]["ring_seq"] == ring["generation"]


def test_a_restarted_sandbox_goes_on_where_it_was(provisioned: Checkout) -> None:
    provisioned.portcullis("sandbox", "stop")
    provisioned.portcullis("sandbox", "start")
    assert provisioned.portcullis("call", "GET", "/orders")["status"] == 200
    provisioned.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_destroy_leaves_nothing_in_either_cloud(provisioned: Checkout) -> None:
    provisioned.pulumi("destroy", "--yes", "--skip-preview")
    with sqlite3.connect(f"file:{provisioned.database}?mode=ro", uri=True) as database:
        left = database.execute(
            # What remains of Apigee's long-running operations is their record, as in the real one.
            "SELECT collection, key FROM documents WHERE collection LIKE 'cf.%' OR collection LIKE 'apigee.%'"
            " AND collection <> 'apigee.operations'"
        ).fetchall()
    assert left == []
    assert json.loads(provisioned.exported_state())["deployment"].get("resources", []) == []
    provisioned.up()
    assert provisioned.portcullis("call", "GET", "/orders")["status"] == 200


def test_a_sandbox_whose_ports_are_taken_moves_and_says_so(provisioned: Checkout) -> None:
    status = provisioned.portcullis("sandbox", "status")
    stack_file = (provisioned.root / "Pulumi.local.yaml").read_text(encoding="utf-8")
    assert f"cloudflare:baseUrl: {status['cloudflare_api']}" in stack_file
    assert f"gcp:apigeeCustomEndpoint: {status['apigee_api']}" in stack_file
