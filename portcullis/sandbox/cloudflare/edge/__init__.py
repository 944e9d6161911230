"""Cloudflare's edge, locally: the deployed Worker versions in real `workerd`, and what surrounds them.

- `Edge` runs what the store says is deployed;
- `create_front` is the listener that clients talk to;
- `create_kv` stands behind KV bindings, `create_outbound` is the internet that Workers fetch from;
- `find_workerd` names the binary.
"""

from portcullis.sandbox.cloudflare.edge.errors import EdgeError, EdgeRejected
from portcullis.sandbox.cloudflare.edge.front import create_front
from portcullis.sandbox.cloudflare.edge.kv import KV_HOSTNAME, create_kv
from portcullis.sandbox.cloudflare.edge.manager import Edge
from portcullis.sandbox.cloudflare.edge.outbound import create_outbound
from portcullis.sandbox.cloudflare.edge.workerd import find_workerd

__all__ = [
    "KV_HOSTNAME",
    "Edge",
    "EdgeError",
    "EdgeRejected",
    "create_front",
    "create_kv",
    "create_outbound",
    "find_workerd",
]
