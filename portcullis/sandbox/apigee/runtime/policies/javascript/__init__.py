"""The JavaScript policy: scripts in an embedded engine, over Apigee's object model."""

from portcullis.sandbox.apigee.runtime.policies.javascript.policy import JavaScript

__all__ = ["JavaScript"]
