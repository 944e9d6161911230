"""The emulated Apigee management API (`https://apigee.googleapis.com/v1/`).

It answers what the official provider and Google's own tools send, with the same defaults, checks and error bodies.
Everything it keeps is in the sandbox's store, as documents that look as GET answers them; members that start with an
underscore are its own and never leave it. The Apigee runtime reads the same documents.

Reference: https://cloud.google.com/apigee/docs/reference/apis/apigee/rest; what an endpoint answers in error was taken
from threads that quote the real thing.

| module | resources |
|---|---|
| `organizations` | organizations, instances and their attachments, long-running operations |
| `environments` | environments, environment groups and their attachments |
| `keyvaluemaps`, `targetservers`, `keystores`, `references`, `resourcefiles` | what an environment holds |
| `proxies`, `kinds`, `bundles` | API proxies and shared flows, and their revisions |
| `deployments`, `flowhooks` | deployments and change reports; shared flows that run in every proxy |
| `debugsessions`, `debugmasks` | traces of a deployed revision, and what they never show |
| `products`, `developers`, `apps` | who may call what |
| `service`, `errors`, `messages`, `app` | storage, Google's error bodies, checking of request bodies, HTTP |
"""

from portcullis.sandbox.apigee.management.app import create_app

__all__ = ["create_app"]
