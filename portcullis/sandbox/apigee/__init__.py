"""Apigee, locally: the management API and the runtime."""
