"""A deployed revision that serves: what the edge waits for before it is switched.

The provider deploys a revision and does not wait: Apigee answers at once with the state PROGRESSING. This resource is
created, and updated with each new revision, when the state is READY, and fails with Apigee's reason when it is ERROR.

Pulumi pickles the provider class by reference (this module's path and the class's name), so both are written in every
stack's state: renaming either breaks the stacks that exist.
"""

import os
import time
from typing import Any

import httpx
import pulumi
from pulumi.dynamic import ConfigureRequest, CreateResult, Resource, ResourceProvider, UpdateResult

from components.google_access import access_token, apigee_endpoint
from portcullis.deployed.revision import Revision, Waiting, look_at, wait_until_ready

Props = dict[str, Any]


class ReadyRevisionProvider(ResourceProvider):
    """Waits in `create` and `update`. Credentials come from the stack's configuration, and so are in no input."""

    def configure(self, req: ConfigureRequest) -> None:
        """Keep the stack's configuration, which the engine hands over with its secrets in clear."""
        self._config = req.config

    def create(self, props: Props) -> CreateResult:
        """Wait for the revision; raises `RevisionNotReadyError` or `GoogleAccessError`."""
        self._wait(props)
        return CreateResult(id_="ready", outs=props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait for the new revision, as `create` does."""
        self._wait(_news)
        return UpdateResult(outs=_news)

    def _wait(self, props: Props) -> None:
        revision = Revision(props["organization"], props["environment"], props["proxy"], int(props["revision"]))
        endpoint = apigee_endpoint(self._config.get, os.environ)
        token = access_token(self._config.get, os.environ)
        # A proxy of the environment's settings is for the way out, not for an endpoint in clear on this machine.
        with httpx.Client(trust_env=endpoint.startswith("https://")) as client:
            wait_until_ready(
                revision,
                lambda asked: look_at(client, endpoint, asked, token),
                Waiting(time.monotonic, time.sleep),
            )


class ReadyRevision(Resource, module="apigee", name="ReadyRevision"):
    """`revision`, an integer, once it serves in the environment."""

    revision: pulumi.Output[int]

    def __init__(
        self,
        name: str,
        organization: pulumi.Input[str],
        environment: pulumi.Input[str],
        proxy: pulumi.Input[str],
        revision: pulumi.Input[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: Props = {
            "organization": organization,
            "environment": environment,
            "proxy": proxy,
            "revision": revision,
        }
        super().__init__(ReadyRevisionProvider(), name, props, opts)
