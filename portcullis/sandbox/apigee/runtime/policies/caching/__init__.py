"""The cache policies: values put in, looked up and taken out, and whole answers kept."""

from portcullis.sandbox.apigee.runtime.policies.caching.response_cache import ResponseCache
from portcullis.sandbox.apigee.runtime.policies.caching.values import InvalidateCache, LookupCache, PopulateCache

__all__ = ["InvalidateCache", "LookupCache", "PopulateCache", "ResponseCache"]
