"""gateway.yaml as one typed object that cannot be changed, and what each tier derives from it.

`load` reads and checks; each derivation is one function in a module of its own name: `policy_table`,
`api_products`, `test_users`, `operations_table`, `bundle`.
"""

from portcullis.contract.issuer import Introspection, Issuer, RoleMapping, SenderConstraint
from portcullis.contract.loading import load
from portcullis.contract.model import (
    AiHint,
    Api,
    Apigee,
    Audit,
    Backend,
    Burst,
    Consumer,
    Contract,
    Edge,
    Operation,
    Product,
    Quota,
    RingFormat,
    TokenCache,
)
from portcullis.contract.problem import ContractError, Position, Problem

__all__ = [
    "AiHint",
    "Api",
    "Apigee",
    "Audit",
    "Backend",
    "Burst",
    "Consumer",
    "Contract",
    "ContractError",
    "Edge",
    "Introspection",
    "Issuer",
    "Operation",
    "Position",
    "Problem",
    "Product",
    "Quota",
    "RingFormat",
    "RoleMapping",
    "SenderConstraint",
    "TokenCache",
    "load",
]
