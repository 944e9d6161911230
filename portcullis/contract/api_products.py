"""What Apigee meters: its API products."""

from __future__ import annotations

from dataclasses import dataclass

from portcullis.contract.model import Contract, Product
from portcullis.contract.paths import apigee_resource


@dataclass(frozen=True)
class ApiOperation:
    """One resource of an API product, such as `/orders/*`, and its methods in upper case, sorted."""

    resource: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class ApiProductSpec:
    """An API product as Apigee wants it: quota and interval are decimal texts, time_unit minute|hour|day|month."""

    name: str
    title: str
    quota: str
    interval: str
    time_unit: str
    operations: tuple[ApiOperation, ...]


def api_products(contract: Contract) -> list[ApiProductSpec]:
    """Derive the API products, in the order of the contract."""
    return [_product(name, product) for name, product in contract.products.items()]


def _product(name: str, product: Product) -> ApiProductSpec:
    methods: dict[str, set[str]] = {}
    for operation in product.operations.values():
        methods.setdefault(apigee_resource(operation.path), set()).add(operation.method)
    return ApiProductSpec(
        name=name,
        title=product.title,
        quota=str(product.quota.requests),
        interval="1",
        time_unit=product.quota.per,
        operations=tuple(ApiOperation(resource, tuple(sorted(found))) for resource, found in methods.items()),
    )
