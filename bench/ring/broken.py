"""One rule broken at a time, all else as in a scenario that keeps it: what cannot fail proves nothing.

A rule about numbers is broken by a world that is slower or more wrong than the settings allow for: the step itself
refuses settings that break it. A rule about conduct is broken by updates that do not keep it. Where the guards would
save the day, neither side has them. I0 is what is counted; I5 and I6 bound what the edge remembers of its clients'
tokens, which has no part in this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from bench.ring.scenarios import (
    LONG_TOKENS,
    apigee_written_worker_not,
    current_is_compromised,
    missed_runs,
    nothing,
    older_state,
)
from bench.ring.simulation import TIGHT, Scenario
from bench.ring.tiers import slowest
from bench.ring.updates import Practice


@dataclass(frozen=True)
class Broken:
    """A rule by name, the scenario that keeps it, and the same one that does not."""

    rule: str
    how: str
    kept: Scenario

    physics: dict[str, float] | None = None
    practice: Practice | None = None
    scenario: Scenario | None = None

    @property
    def broken(self) -> Scenario:
        """The scenario with the rule broken."""
        if self.scenario is not None:
            return self.scenario
        return replace(
            self.kept, physics=self.physics or self.kept.physics, practice=self.practice or self.kept.practice
        )


BLIND: Final = Practice(guarded=False)
ON_TIME: Final = Scenario("rotations on time", nothing)
UNREAD: Final = replace(ON_TIME, practice=BLIND)
LONG: Final = Scenario("rotations on time, long-lived tokens", nothing, LONG_TOKENS, practice=BLIND)
MISSED: Final = Scenario("missed runs", missed_runs, periods=20)
# Settings that say less of the world than is true, so that a third of the shortest period is taken for long enough.
HASTY: Final = replace(
    TIGHT,
    period_seconds=120,
    key_cache_seconds=15,
    apigee_propagation_seconds=15,
    edge_propagation_seconds=10,
    edge_cache_seconds=0,
    update_seconds=10,
)

BROKEN: Final = (
    Broken(
        "I1, t_use(next) - t_pub(next) >= V + d",
        "Apigee keeps what it has read for 1500 s instead of 300",
        ON_TIME,
        {"key_cache": 1500},
    ),
    Broken(
        "I2, t_drop - t_stop >= E + L + lam + d",
        "a version takes 900 s to reach the edge instead of 100",
        LONG,
        {"edge_propagation": 900},
    ),
    Broken(
        "I3, R >= R_min",
        "the period is a third of the shortest",
        UNREAD,
        scenario=replace(UNREAD, settings=HASTY, physics=vars(slowest(TIGHT)), runs_every=20, periods=40),
    ),
    Broken("I4, lam >= 2d", "clocks are wrong by 20 s instead of 5", ON_TIME, {"clock_error": 20}),
    Broken("I4, L >= F + 2d", "delivery takes 100 s instead of 20", ON_TIME, {"delivery": 100}),
    Broken("I4, U <= L - F - 2d", "a token is used again for 70 s instead of 30", ON_TIME, {"reuse": 70}),
    Broken(
        "I7, nobody writes a lower seq",
        "nothing is read back",
        Scenario("an older state is restored", older_state, periods=20),
        practice=BLIND,
    ),
    Broken("I8, one slot in a run", "two slots in a run", UNREAD, practice=Practice(guarded=False, steps_in_a_run=2)),
    Broken(
        "I8, both tiers at the same seq",
        "nothing is read back",
        Scenario("Apigee written, Worker not", apigee_written_worker_not, LONG_TOKENS),
        practice=BLIND,
    ),
    Broken(
        "I9, signers before verifiers when removing",
        "a revoked key is dropped at once",
        Scenario("current key is compromised", current_is_compromised, LONG_TOKENS),
        practice=Practice(withdraws_before_deploying=True),
    ),
    Broken(
        "I10, a key is named by its thumbprint",
        "keys are named by their slot",
        UNREAD,
        practice=Practice(guarded=False, names_keys_by_slot=True),
    ),
    Broken("I11, an overdue ring signs on", "it stops after 1000 s", MISSED, {"hard_sign_until": 1000}),
    Broken("I12, no gap", "entries are replaced in each update", ON_TIME, practice=Practice(replaces_entries=True)),
)
