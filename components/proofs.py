"""The Worker that remembers used DPoP proofs."""

import base64

import pulumi
import pulumi_cloudflare as cloudflare

CLASS_NAME = "ReplayGuard"
"""The Durable Object class; `worker/src/possession/replay_guard.ts`."""


class ProofsWorker(pulumi.ComponentResource):
    """Remembers used DPoP proofs (RFC 9449 §11.1) in Durable Objects, which are strongly consistent; KV is not.

    **Pulumi type:** `portcullis:index:ProofsWorker`

    It is a Worker of its own because Cloudflare applies the migration that makes a class once, and refuses a version
    that brings it again (error 10079), while the gateway has a new version with every rotation. So its version is made
    once and then left as it is, whatever the code or the compatibility date become; a change that has to reach it
    needs a class of another name and a second migration.
    """

    script_name: pulumi.Output[str]
    """The Worker's name, for the gateway's binding."""
    deployed: pulumi.Resource
    """What must exist before a version that is bound to the class."""

    def __init__(
        self,
        name: str,
        *,
        account_id: str,
        script_name: str,
        module: bytes,
        compatibility_date: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portcullis:index:ProofsWorker", name, {"script_name": script_name}, opts)
        child = pulumi.ResourceOptions(parent=self)
        worker = cloudflare.Worker(
            f"{name}-worker",
            account_id=account_id,
            name=script_name,
            subdomain={"enabled": False, "previews_enabled": False},
            opts=child,
        )
        version = cloudflare.WorkerVersion(
            f"{name}-version",
            account_id=account_id,
            worker_id=worker.id,
            main_module="index.js",
            modules=[
                {
                    "name": "index.js",
                    "content_type": "application/javascript+module",
                    # In the state itself: a file that an old state names may be gone by the time it is read.
                    "content_base64": base64.b64encode(module).decode(),
                }
            ],
            compatibility_date=compatibility_date,
            migrations={"new_tag": "v1", "new_sqlite_classes": [CLASS_NAME]},
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["compatibilityDate", "mainModule", "migrations", "modules"]
            ),
        )
        self.deployed = cloudflare.WorkersDeployment(
            f"{name}-deployment",
            account_id=account_id,
            script_name=worker.name,
            strategy="percentage",
            versions=[{"version_id": version.id, "percentage": 100}],
            opts=child,
        )
        self.script_name = worker.name
        self.register_outputs({"script_name": self.script_name})
