"""The Apigee runtime: uploaded proxy bundles, interpreted.

`Runtime` holds what is deployed; `create_app` serves it over HTTP; `validate_bundle` says what Apigee would refuse at
the import, `undeployable` what keeps it from running in an environment.

| module | what it is about |
|---|---|
| `archive`, `bundle`, `endpoints`, `connection_xml`, `properties` | reading a bundle |
| `elements`, `readers`, `xml`, `findings` | reading XML, and what was found in it |
| `model`, `connection` | a bundle once it is read |
| `conditions`, `templates`, `functions`, `java_regex`, `jsonpath` | the languages inside of a bundle |
| `policies` | one module for each policy type |
| `deployments`, `runtime`, `app` | what is deployed, and a request's way to it |
| `flow`, `faults`, `target`, `exchange`, `balancing`, `tls` | a request's way through a proxy and to its target |
| `message`, `variables`, `values`, `moments`, `inbound` | what policies see of a request |
| `context` and what is in its services: `kvm`, `caches`, `tokens`, `remote_keys`, `spikes` | what policies work with |
| `trace`, `snapshot`, `masking`, `trace_log` | what is told of a request |
| `coverage` | the page that says what is supported |
"""

from __future__ import annotations

from collections.abc import Mapping

from portcullis.sandbox.apigee.runtime.app import create_app
from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from portcullis.sandbox.apigee.runtime.runtime import Runtime

__all__ = ["Runtime", "create_app", "undeployable", "validate_bundle"]


def validate_bundle(zip_bytes: bytes) -> list[str]:
    """Return why Apigee would refuse the import of a bundle, each reason by name."""
    found = compile_bundle(zip_bytes)
    return [problem for problem in found.problems if problem not in found.undeployable]


def undeployable(zip_bytes: bytes, resources: Mapping[str, bytes]) -> list[str]:
    """Return why a bundle cannot be deployed, by name: what is wrong in it, not supported, or nowhere to be found.

    `resources` are the environment's resource files, by type/name.
    """
    return list(compile_bundle(zip_bytes, resources).problems)
