"""What the deployed gateway says of itself, asked over HTTP by its real hostnames.

- `reach`: how a hostname is reached.
- `edge`: which version of the Worker answers, and which ring it holds.
- `canary`: whether Apigee accepts a token signed with a key of the ring.
- `published`: which keys of the ring Apigee holds, by its API.

Nothing here changes the gateway, and no key or token is in any message.
"""

from portcullis.deployed.canary import CANARY_PATH, CanaryError, CanaryRefusedError, Realm, canary_token, send_canary
from portcullis.deployed.edge import EdgeReport, read_edge
from portcullis.deployed.published import missing_keys
from portcullis.deployed.reach import HOSTS_FILE_VARIABLE, NoAnswerError, fetch

__all__ = [
    "CANARY_PATH",
    "HOSTS_FILE_VARIABLE",
    "CanaryError",
    "CanaryRefusedError",
    "EdgeReport",
    "NoAnswerError",
    "Realm",
    "canary_token",
    "fetch",
    "missing_keys",
    "read_edge",
    "send_canary",
]
