"""The Apigee runtime: uploaded proxy bundles, interpreted.

`Runtime` holds what is deployed; `create_app` serves it over HTTP; `validate_bundle` says what Apigee would refuse at
the import, `undeployable` what cannot run here.
"""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.app import create_app
from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from portcullis.sandbox.apigee.runtime.runtime import Runtime

__all__ = ["Runtime", "create_app", "undeployable", "validate_bundle"]


def validate_bundle(zip_bytes: bytes) -> list[str]:
    """Return why Apigee would refuse the import of a bundle, each reason by name."""
    found = compile_bundle(zip_bytes)
    return [problem for problem in found.problems if problem not in found.unsupported]


def undeployable(zip_bytes: bytes) -> list[str]:
    """Return why a bundle cannot be deployed here, by name: what it is wrong in, and what is not supported."""
    return list(compile_bundle(zip_bytes).problems)
