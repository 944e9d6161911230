"""The operations as a table for people."""

from __future__ import annotations

from portcullis.contract.model import Contract


def operations_table(contract: Contract) -> str:
    """Derive a Markdown table: one row an operation, in the order of the contract, with its limits."""
    rows = [
        "| operation | method | path | roles (any one) | product | quota | burst | backend |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for product_name, product in contract.products.items():
        quota = f"{product.quota.requests} per {product.quota.per}"
        burst = f"{product.burst.requests} per {product.burst.per}"
        rows += [
            f"| {name} | {operation.method} | `{operation.path}` | {', '.join(operation.roles)} "
            f"| {product_name} | {quota} | {burst} | {operation.backend} |"
            for name, operation in product.operations.items()
        ]
    return "\n".join(rows) + "\n"
