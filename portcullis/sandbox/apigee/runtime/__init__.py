"""The Apigee runtime: uploaded proxy bundles, interpreted.

`Runtime` holds what is deployed; `create_app` serves it over HTTP; `validate_bundle` says what Apigee would refuse.
"""

from __future__ import annotations

from portcullis.sandbox.apigee.runtime.app import create_app
from portcullis.sandbox.apigee.runtime.bundle import compile_bundle
from portcullis.sandbox.apigee.runtime.runtime import Runtime

__all__ = ["Runtime", "create_app", "validate_bundle"]


def validate_bundle(zip_bytes: bytes) -> list[str]:
    """Return what is wrong with a bundle, by name; empty where it can be deployed."""
    return list(compile_bundle(zip_bytes).problems)
