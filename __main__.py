"""The composition: one contract, one environment's settings, one gateway."""

from pathlib import Path

import pulumi

from components.gateway import Gateway, project_folder
from components.settings import read_settings
from portcullis.contract import ContractError, load

stack = pulumi.get_stack()
project = project_folder()

overlay = project / f"gateway.{stack}.yaml"

try:
    contract = load(project / "gateway.yaml", overlay if overlay.exists() else None)
except ContractError as problem:
    raise pulumi.RunError(str(problem)) from None

gateway = Gateway(
    "gateway",
    {
        "contract": contract,
        "settings": read_settings(),
        "project": project,
        "build": Path("build") / stack,
    },
)

pulumi.export("url", gateway.edge.url)
pulumi.export("apigeeOrigin", gateway.apigee.origin)
pulumi.export("ringGeneration", gateway.ring.generation)
pulumi.export("ringChange", gateway.ring.last_change)
pulumi.export("nextRotation", gateway.ring.rotates_at)
pulumi.export("ring", gateway.ring.status)
pulumi.export("currentKid", gateway.ring.current_kid)
pulumi.export("jwks", gateway.ring.jwks)
pulumi.export("products", gateway.apigee.product_names)
pulumi.export("apps", gateway.apigee.app_names)
pulumi.export("contract", contract.version_hash)
