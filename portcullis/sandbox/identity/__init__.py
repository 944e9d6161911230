"""Identity providers shaped like Okta, Google, Entra, Auth0 and RFC 9068: metadata, keys, tokens, introspection."""

from portcullis.sandbox.identity.app import create_app
from portcullis.sandbox.identity.directory import Directory, DirectoryError, Issuer, User
from portcullis.sandbox.identity.tokens import TokenRequestError, issue_token

__all__ = ["Directory", "DirectoryError", "Issuer", "TokenRequestError", "User", "create_app", "issue_token"]
