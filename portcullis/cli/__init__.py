"""The portcullis command."""
