"""Stand-in Pulumi provider plugins, for machines that cannot download the official ones.

`python -m engine.providers cloudflare|gcp ENGINE_ADDRESS` serves one cloud's resource types over Pulumi's provider
protocol. Each cloud is a table (`tables.Cloud`): which requests the official provider sends for a resource type, and
how its properties are called on either side. State is compatible both ways with the official providers: same
property names, same ids.

| module | concern |
|---|---|
| `tables` | the types a table is made of; its docstring tells how to add a resource |
| `values` | Pulumi's wire format: unknowns and secrets |
| `inputs` | checking what the user wrote: defaults, types, missing and unknown properties |
| `differences` | what changes between the state and the inputs, property by property |
| `documents` | properties to API documents and back |
| `rest` | HTTP: requests, retries, errors that can be shown |
| `lifecycle` | create, read, update, delete of one resource by its table entry |
| `plugin` | the gRPC service |
| `cloudflare`, `gcp` | the tables |
"""
