"""The rules of rotation: settings and their inequalities, the step, the slots, the keys. Pure: no clock, no I/O.

The rules have names, I0 to I12, used throughout:

- I0 safety: a token signed by any edge node is trusted by every Apigee node for as long as it lives.
- I1 publish before use, I2 retain after use, I3 the shortest period of a ring that advances one step at a time,
  I4 clocks, delivery and reuse: `inequalities`.
- I5, I6 bound caches of verified tokens; nothing here caches any.
- I7 `seq` only increases, and nobody writes a lower one: `slots`, `read_back`.
- I8 one slot at a time, only when due and with both tiers at the same seq, I11 an overdue ring signs on: `step`.
- I9 verifiers before signers when adding, signers before verifiers when removing, I12 no gap: the order in which the
  components create and delete.
- I10 a key is named by its thumbprint, and the private half of `previous` is gone: `keys`, `slots`.

`decide` is the step. `emergency` holds what a compromised key asks for. docs/ring-rules.md tells the rules with the
numbers of the defaults.
"""

from portcullis.ring.emergency import (
    RevocationError,
    RevocationTooSoonError,
    drop_due,
    drop_wait,
    exposure,
)
from portcullis.ring.inequalities import (
    Bound,
    Inequality,
    RingSettingsError,
    Tolerance,
    check_settings,
    inequalities,
    leeway_covers_clocks,
    life_covers_delivery,
    minimum_period,
    publish_before_use,
    retain_after_use,
    reuse_leaves_delivery,
    tolerance,
)
from portcullis.ring.keys import ALGORITHMS, Algorithm, Jwk, generate_key, public_jwk, thumbprint
from portcullis.ring.read_back import ReadBack, RingConflictError, lag, refuse_conflict
from portcullis.ring.settings import (
    APIGEE_PROPAGATION_SECONDS,
    CLOCK_ERROR_SECONDS,
    EDGE_PROPAGATION_SECONDS,
    Settings,
)
from portcullis.ring.slots import Ring, begin, due, earliest, is_new, overdue_seconds
from portcullis.ring.step import Change, Decision, Mode, decide
from portcullis.ring.summary import summary
from portcullis.ring.worker_secret import worker_ring

__all__ = [
    "ALGORITHMS",
    "APIGEE_PROPAGATION_SECONDS",
    "CLOCK_ERROR_SECONDS",
    "EDGE_PROPAGATION_SECONDS",
    "Algorithm",
    "Bound",
    "Change",
    "Decision",
    "Inequality",
    "Jwk",
    "Mode",
    "ReadBack",
    "RevocationError",
    "RevocationTooSoonError",
    "Ring",
    "RingConflictError",
    "RingSettingsError",
    "Settings",
    "Tolerance",
    "begin",
    "check_settings",
    "decide",
    "drop_due",
    "drop_wait",
    "due",
    "earliest",
    "exposure",
    "generate_key",
    "inequalities",
    "is_new",
    "lag",
    "leeway_covers_clocks",
    "life_covers_delivery",
    "minimum_period",
    "overdue_seconds",
    "public_jwk",
    "publish_before_use",
    "refuse_conflict",
    "retain_after_use",
    "reuse_leaves_delivery",
    "summary",
    "thumbprint",
    "tolerance",
    "worker_ring",
]
