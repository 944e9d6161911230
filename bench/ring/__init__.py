"""The key ring in simulation: edge nodes, Apigee nodes, updates and their faults, in time that is not waited for.

- `loop`: time and what happens when.
- `tiers`: the two clouds as far as a signing key can tell: delays, caches, clocks.
- `updates`: what `pulumi up` does to them, by the real step of `portcullis.ring`.
- `scenarios`: the events that a ring must survive without a refused request; `broken`: one rule broken at a time.
- `simulation`: runs either and counts.
"""
