"""A Pulumi engine for machines without one.

`python -m engine.install` decides what this machine needs and supplies it; `engine.environment` says which variables
let a shell find it. Nothing here knows what the program deploys.
"""
