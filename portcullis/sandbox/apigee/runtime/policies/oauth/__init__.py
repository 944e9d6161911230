"""OAuthV2 and the policies about what it has issued; the store of tokens and codes is a service of the runtime."""

from portcullis.sandbox.apigee.runtime.policies.oauth.information import (
    DeleteOAuthV2Info,
    GetOAuthV2Info,
    SetOAuthV2Info,
)
from portcullis.sandbox.apigee.runtime.policies.oauth.policy import OAuthV2

__all__ = ["DeleteOAuthV2Info", "GetOAuthV2Info", "OAuthV2", "SetOAuthV2Info"]
