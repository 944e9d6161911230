"""Portcullis: one API gateway on two clouds, from one contract and one ring of signing keys."""
