"""The Pulumi components the gateway is made of."""
