"""Guardrails: what must never be deployed (`rules`, `pack`), what a change of the contract means (`semantic_diff`)."""
