"""Cloudflare, locally: the API and the edge."""
