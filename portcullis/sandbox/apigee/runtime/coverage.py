"""The page `docs/apigee-coverage.md`, made from what the code declares.

A test compares the page with what this module writes, so that it is never out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from portcullis.sandbox.apigee.runtime.connection_xml import TARGET_PROPERTIES
from portcullis.sandbox.apigee.runtime.elements import ANYTHING, SILENT, Elements
from portcullis.sandbox.apigee.runtime.endpoints import (
    PROXY_ENDPOINT,
    PROXY_PROPERTIES,
    SHARED_FLOW,
    TARGET_ENDPOINT,
)
from portcullis.sandbox.apigee.runtime.functions import FUNCTIONS
from portcullis.sandbox.apigee.runtime.policies import REGISTRY
from portcullis.sandbox.apigee.runtime.policies.other_types import OTHER_TYPES

_HEAD = """# What the Apigee runtime of the sandbox covers

<!-- Made from the code: python -m portcullis.sandbox.apigee.runtime.coverage > docs/apigee-coverage.md -->

The runtime interprets any proxy bundle or shared flow that is imported through the management API. Each policy type
and element is one of three things:

- **supported**: it does what Apigee's reference says;
- **ignored**: the bundle is taken, the element has no effect here, and reading the bundle warns of it;
- **refused**: the revision cannot be deployed, and the answer names it. (It can be imported: on Apigee it would run.)

What nobody declares, in an endpoint or a policy, is ignored with a warning, as Apigee ignores it. What Apigee refuses
at the import is refused there: a step without its policy, a route to a missing target, a condition that cannot be read.
"""


def render() -> str:
    """Return the whole page as Markdown."""
    return (
        "\n".join(
            [
                _HEAD,
                "## Policy types",
                "",
                f"{len(REGISTRY)} supported: {_listed(REGISTRY)}.",
                "",
                "Refused by name:",
                "",
                *_table(("type", "why"), ((f"`{name}`", why) for name, why in sorted(OTHER_TYPES.items()))),
                "",
                "## Elements of every policy",
                "",
                "The attributes `name`, `enabled` and `continueOnError` are supported, `async` is ignored.",
                f"Ignored without a warning, since they never have an effect: {_listed(SILENT, '<{}>')}.",
                "",
                "## Endpoints and shared flows",
                "",
                *_section("ProxyEndpoint", PROXY_ENDPOINT),
                f"Properties of `<HTTPProxyConnection>`: {_listed(PROXY_PROPERTIES)}. Any other is ignored.",
                "",
                *_section("TargetEndpoint", TARGET_ENDPOINT),
                f"Properties of `<HTTPTargetConnection>`: {_listed(TARGET_PROPERTIES)}. Any other is ignored.",
                "",
                "What streams is still read whole before it goes on, up to 256 MB, and so it can be seen by policies.",
                "Hostnames are those of the sandbox's network, where https is served in clear; to loopback it is",
                "real TLS, by `<SSLInfo>` or the target server's `sSLInfo`.",
                "",
                *_section("SharedFlow", SHARED_FLOW),
                "## Functions of message templates",
                "",
                f"{_listed(FUNCTIONS)}.",
                "",
                "## Elements of each policy",
                "",
                *(line for name in sorted(REGISTRY) for line in _section(name, REGISTRY[name].elements)),
            ]
        ).rstrip()
        + "\n"
    )


def _section(name: str, elements: Elements) -> list[str]:
    return [
        f"### {name}",
        "",
        *_table(("element", "attributes", ""), _rows(elements)),
        "",
    ]


def _rows(elements: Elements) -> Iterable[tuple[str, str, str]]:
    for path, (attributes, support) in sorted(elements.known.items()):
        if path and not path.endswith(f"/{ANYTHING}"):
            yield f"`{path}`", _listed(attributes), support


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines]


def _listed(names: Iterable[str], form: str = "{}") -> str:
    return ", ".join(f"`{form.format(name)}`" for name in sorted(names))


if __name__ == "__main__":
    sys.stdout.write(render())
