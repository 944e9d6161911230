"""A JSON Schema of gateway.yaml, for editors."""

from __future__ import annotations

import json
from typing import Any

from portcullis.contract.model import GatewayFile


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of gateway.yaml: keys, types, units and bounds. `load` checks more than that."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **GatewayFile.model_json_schema()}


def schema_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(schema(), indent=2) + "\n"
