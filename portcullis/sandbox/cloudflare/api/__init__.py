"""The emulated Cloudflare API (`/client/v4/...`): what the official providers and wrangler ask of it.

One file per subject; `app.ENDPOINTS` lists every route. Documents are kept in the collections `cf.*` of the store,
which the edge runtime reads. What is not emulated answers 501 and says so; it never pretends.
"""

from portcullis.sandbox.cloudflare.api.app import create_app

__all__ = ["create_app"]
