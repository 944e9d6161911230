"""The OAuthV2 policy: issuing, refreshing, verifying and revoking opaque access tokens."""

from portcullis.sandbox.apigee.runtime.policies.oauth.policy import OAuthV2

__all__ = ["OAuthV2"]
