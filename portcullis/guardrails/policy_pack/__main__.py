"""Started by the engine for `--policy-pack`: serves the rules of `portcullis.guardrails` until the engine ends."""

from pulumi_policy import PolicyPack

from portcullis.guardrails.pack import NAME, policies

PolicyPack(NAME, list(policies()))
