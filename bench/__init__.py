"""Benchmarks: each prints a ratio against a named rival of the same run, and asserts nothing about it."""
