"""The edge is never looser than Apigee: its limits are the product's own."""

import re
from pathlib import Path

import pytest

from portcullis.contract import load
from portcullis.contract.edge_limits import EdgeLimit, binding_name, edge_limit, namespace_id
from portcullis.contract.model import Burst, BurstUnit, Product, Quota, QuotaUnit

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("quota", "burst", "expected"),
    [
        # The quota itself, where its window is the edge's.
        ((120, "minute"), (100, "second"), EdgeLimit("orders", 120, 60)),
        # Of a longer quota, all may be used within a minute, as far as Apigee minds.
        ((1000, "hour"), (100, "second"), EdgeLimit("orders-edge", 1000, 60)),
        # What the burst limit lets through in a minute, if that is less.
        ((1000, "minute"), (10, "second"), EdgeLimit("orders-edge", 600, 60)),
        ((1_000_000, "month"), (90, "minute"), EdgeLimit("orders-edge", 90, 60)),
        ((600, "minute"), (10, "second"), EdgeLimit("orders", 600, 60)),
    ],
)
def test_a_limit_is_the_most_that_apigee_lets_through_in_a_minute(
    quota: tuple[int, QuotaUnit], burst: tuple[int, BurstUnit], expected: EdgeLimit
) -> None:
    product = Product(
        title="Orders",
        quota=Quota(requests=quota[0], per=quota[1]),
        burst=Burst(requests=burst[0], per=burst[1]),
        operations=load(HERE / "good.yaml").products["orders"].operations,
    )
    assert edge_limit("orders", product) == expected


def test_counters_are_apart_by_stack_and_product_and_stay_where_they_are() -> None:
    contract = load(HERE / "good.yaml")
    places = {namespace_id(contract, stack, product) for stack in ("dev", "prod") for product in ("orders", "payments")}
    assert len(places) == 4
    assert all(re.fullmatch(r"[1-9]\d{0,9}", place) for place in places)
    assert namespace_id(contract, "dev", "orders") == namespace_id(contract, "dev", "orders")


def test_a_binding_is_named_as_the_worker_looks_it_up() -> None:
    assert binding_name("gold-orders2") == "LIMIT_GOLD_ORDERS2"
