"""The local clouds: everything a stack needs to be tried without a cloud account."""
