"""Path templates: what they match, which of two is meant, and how Apigee writes them."""

from __future__ import annotations

from typing import Final

from portcullis.contract.model import Contract, Operation

_ANY: Final = ""


def shape(template: str) -> tuple[str, ...]:
    """The segments of a template, with "" for each parameter: templates of one shape match the same paths."""
    segments = template.strip("/").split("/") if template != "/" else []
    return tuple(_ANY if segment.startswith("{") else segment for segment in segments)


def overlap(one: str, other: str) -> bool:
    """Whether some path matches both templates."""
    left, right = shape(one), shape(other)
    return len(left) == len(right) and all(_ANY in pair or pair[0] == pair[1] for pair in zip(left, right, strict=True))


def refines(special: str, general: str) -> bool:
    """Whether `special` matches only a part of what `general` matches, so that it can go first."""
    left, right = shape(special), shape(general)
    same_length = len(left) == len(right)
    return same_length and left != right and all(b in {_ANY, a} for a, b in zip(left, right, strict=True))


def apigee_resource(template: str) -> str:
    """A template as the resource of an operation of an API product: `*` for each parameter (one segment)."""
    return "/" + "/".join(segment or "*" for segment in shape(template))


def most_specific_first(contract: Contract) -> list[tuple[str, str, Operation]]:
    """Every operation as (product, name, operation), so that the first that matches a request is the one meant.

    A template that refines another has fewer parameters, and two that overlap otherwise are refused by the checks:
    sorting by the number of parameters suffices. Equals keep the order of the contract.
    """
    listed = [
        (product, name, operation)
        for product, content in contract.products.items()
        for name, operation in content.operations.items()
    ]
    return sorted(listed, key=lambda item: shape(item[2].path).count(_ANY))
