"""The rules of rotation: settings and their inequalities, the step, the slots, the keys. Pure: no clock, no I/O.

The rules have names, I0 to I12, used throughout:

- I0 safety: a token signed by any edge node is trusted by every Apigee node for as long as it lives.
- I1 publish before use, I2 retain after use, I3 the shortest period of a ring that advances one step at a time,
  I4 clocks: `inequalities`.
- I5, I6 bound caches of verified tokens; nothing here caches any.
- I7 `seq` only increases, I8 one slot at a time and only when due, I11 an overdue ring signs on: `advance`.
- I9 verifiers before signers when adding, signers before verifiers when removing, I12 no gap: the order in which the
  components create and delete.
- I10 a key is named by its thumbprint: `keys`.
"""

from portcullis.ring.advance import Generation, Mode, Slots, due, slots, step
from portcullis.ring.inequalities import (
    Bound,
    RingSettingsError,
    Tolerance,
    check_settings,
    leeway_covers_clocks,
    life_covers_delivery,
    minimum_period,
    publish_before_use,
    retain_after_use,
    tolerance,
)
from portcullis.ring.keys import Jwk, generate_key, public_jwk, thumbprint
from portcullis.ring.settings import CLOCK_ERROR_SECONDS, EDGE_PROPAGATION_SECONDS, Settings
from portcullis.ring.worker_secret import worker_ring

__all__ = [
    "CLOCK_ERROR_SECONDS",
    "EDGE_PROPAGATION_SECONDS",
    "Bound",
    "Generation",
    "Jwk",
    "Mode",
    "RingSettingsError",
    "Settings",
    "Slots",
    "Tolerance",
    "check_settings",
    "due",
    "generate_key",
    "leeway_covers_clocks",
    "life_covers_delivery",
    "minimum_period",
    "public_jwk",
    "publish_before_use",
    "retain_after_use",
    "slots",
    "step",
    "thumbprint",
    "tolerance",
    "worker_ring",
]
