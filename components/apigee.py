"""The Apigee tier: an environment behind a hostname, the proxy, its keys, products and consumers."""

import base64
import hashlib
from pathlib import Path
from typing import NotRequired, TypedDict

import pulumi
import pulumi_gcp as gcp

from components.artifacts import write_artifact
from components.random_secret import RandomSecret
from components.ready_revision import ReadyRevision
from components.ring_resources import PublishedKey
from portcullis.contract import Contract
from portcullis.contract.api_products import ApiProductSpec, api_products
from portcullis.contract.bundle import bundle_zip, render_bundle

MASKED = ("request.header.Txn-Token", "request.header.Authorization", "message.header.Txn-Token")
"""What a trace session shows no value of. Everything else that is secret is a `private.` variable."""

KEY_MAP = "portcullis-keys"
"""The environment's key value map that holds one entry per published key."""


class NewOrganizationArgs(TypedDict):
    """An Apigee organization to create, with one instance."""

    analytics_region: str
    """Where analytics are kept, such as `europe-west1`; cannot be changed."""
    instance_location: str
    """The region of the runtime instance, such as `europe-west1`; cannot be changed."""


class ApigeeGatewayArgs(TypedDict):
    """What the Apigee tier is made from."""

    contract: Contract
    """The parsed contract."""
    organization: str
    """The organization's name, which is the Google Cloud project's id."""
    new_organization: NotRequired[NewOrganizationArgs | None]
    """Given: the organization and its instance are created. Absent or `None`: both exist already and are adopted."""
    instance: str
    """The runtime instance's name; empty where the organization has none to attach to (Apigee hybrid)."""
    environment: str
    """The environment's name."""
    hostname: str
    """The hostname that the environment answers on, reached by the Worker only."""
    internal_issuer: str
    """The issuer of the internal token: who the Worker says it is."""
    internal_audience: str
    """The audience of the internal token: this environment and no other."""
    published_keys: pulumi.Output[list[PublishedKey]]
    """The public keys to trust."""
    protect: bool
    """Whether Pulumi refuses to delete the organization, the instance and the environment."""
    source: Path
    """The folder that holds `apiproxy/`."""
    build: Path
    """The folder the bundle is written to, relative to the project: its path is part of the stack's state."""


class ApigeeGateway(pulumi.ComponentResource):
    """Apigee verifies again, meters and logs.

    **Pulumi type:** `portcullis:index:ApigeeGateway`

    Produces, or adopts, an organization and an instance; an environment with its group, attachments and debug mask;
    target servers; a key value map with one entry per published key; the proxy, its deployment and the wait until it
    serves; API products; developers and their apps, each with the consumer's OIDC client id as its key.
    """

    origin: pulumi.Output[str]
    """The URL the Worker forwards to."""
    revision: pulumi.Output[int]
    """The proxy's deployed revision, once it serves."""
    product_names: pulumi.Output[list[str]]
    """The API products."""
    app_names: pulumi.Output[list[str]]
    """The developer apps, one per consumer."""
    ready: list[pulumi.Resource]
    """What must exist before the Worker may sign with a new key or forward to this tier."""
    key_map_id: pulumi.Output[str]
    """The id of the key value map that holds the published keys."""

    def __init__(self, name: str, args: ApigeeGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        inputs = {"organization": args["organization"], "environment": args["environment"]}
        super().__init__("portcullis:index:ApigeeGateway", name, inputs, opts)
        self._name = name
        self._args = args
        self._opts = pulumi.ResourceOptions(parent=self)
        self._org_id, instance_id, after = self._organization()
        # Some resources of the provider take the organization's bare name where others take its id.
        self._org_name = pulumi.Output.from_input(self._org_id).apply(lambda org_id: org_id.rpartition("/")[2])
        environment, attached = self._environment(instance_id, after)
        keys = self._keys(environment)
        self._deployment = self._proxy(environment, attached)
        products = [self._product(spec, environment) for spec in api_products(args["contract"])]
        apps = self._consumers(products)
        self.published = keys
        ready = self._ready(environment)
        self.ready = [self._deployment, ready, *products, *apps]
        self.origin = pulumi.Output.from_input(f"https://{args['hostname']}")
        self.revision = ready.revision.apply(int)
        self.product_names = pulumi.Output.all(*(product.name for product in products))
        self.app_names = pulumi.Output.all(*(app.name for app in apps))
        self.register_outputs(
            {
                "origin": self.origin,
                "revision": self.revision,
                "product_names": self.product_names,
                "app_names": self.app_names,
            }
        )

    def _organization(self) -> tuple[pulumi.Input[str], pulumi.Input[str], list[pulumi.Resource]]:
        """Return the ids of the organization and the instance, and what to wait for before the environment is made."""
        new = self._args.get("new_organization")
        instance_name = self._args["instance"]
        if new is None:
            org_id = f"organizations/{self._args['organization']}"
            return org_id, f"{org_id}/instances/{instance_name}" if instance_name else "", []
        kept = pulumi.ResourceOptions(parent=self, protect=self._args["protect"])
        organization = gcp.apigee.Organization(
            f"{self._name}-organization",
            project_id=self._args["organization"],
            analytics_region=new["analytics_region"],
            disable_vpc_peering=True,
            opts=kept,
        )
        instance = gcp.apigee.Instance(
            f"{self._name}-instance",
            name=instance_name,
            location=new["instance_location"],
            org_id=organization.id,
            opts=kept,
        )
        return organization.id, instance.id, [instance]

    def _environment(
        self, instance_id: pulumi.Input[str], after: list[pulumi.Resource]
    ) -> tuple[gcp.apigee.Environment, list[pulumi.Resource]]:
        """Make the environment and attach it.

        Each step waits for the one before: Apigee runs one long operation of an organization at a time and answers
        any other with "the resource is locked by another operation".
        """
        environment = gcp.apigee.Environment(
            f"{self._name}-environment",
            name=self._args["environment"],
            org_id=self._org_id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after, protect=self._args["protect"]),
        )
        gcp.apigee.EnvironmentDebugmask(
            f"{self._name}-debug-mask", env_id=environment.id, variables=list(MASKED), opts=self._opts
        )
        group = gcp.apigee.EnvGroup(
            f"{self._name}-envgroup",
            name=self._args["environment"],
            org_id=self._org_id,
            hostnames=[self._args["hostname"]],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[environment]),
        )
        attached: list[pulumi.Resource] = [
            gcp.apigee.EnvGroupAttachment(
                f"{self._name}-envgroup-attachment",
                envgroup_id=group.id,
                environment=environment.name,
                opts=self._opts,
            )
        ]
        if self._args["instance"]:
            attached.append(
                gcp.apigee.InstanceAttachment(
                    f"{self._name}-instance-attachment",
                    instance_id=instance_id,
                    environment=environment.name,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=list(attached)),
                )
            )
        return environment, attached

    def _keys(
        self, environment: gcp.apigee.Environment
    ) -> pulumi.Output[list[gcp.apigee.EnvironmentKeyvaluemapsEntries]]:
        """Make one entry per published key: created, later deleted, never changed."""
        key_map = gcp.apigee.EnvironmentKeyvaluemaps(
            f"{self._name}-keys", name=KEY_MAP, env_id=environment.id, opts=self._opts
        )

        def entry(key: PublishedKey) -> gcp.apigee.EnvironmentKeyvaluemapsEntries:
            return gcp.apigee.EnvironmentKeyvaluemapsEntries(
                f"{self._name}-key-{key.key_number}",
                env_keyvaluemap_id=key_map.id,
                name=pulumi.Output.format("jwk.{0}", key.kid),
                value=key.public_jwk.apply(lambda jwk: f'{{"keys":[{jwk}]}}'),
                opts=self._opts,
            )

        self.key_map_id = key_map.id
        return self._args["published_keys"].apply(lambda keys: [entry(key) for key in keys])

    def _proxy(
        self, environment: gcp.apigee.Environment, attached: list[pulumi.Resource]
    ) -> gcp.apigee.EnvironmentApiRevisionDeployment:
        """Upload the bundle and deploy its revision; a new revision replaces the deployed one without a gap."""
        contract = self._args["contract"]
        servers = [
            gcp.apigee.TargetServer(
                f"{self._name}-target-{backend_name}",
                name=backend_name,
                env_id=environment.id,
                host=backend.host,
                port=backend.port,
                s_sl_info={"enabled": True, "enforce": True},
                opts=self._opts,
            )
            for backend_name, backend in contract.backends.items()
        ]
        path, digest = self._write_bundle()
        proxy = gcp.apigee.Api(
            f"{self._name}-proxy",
            name=contract.api.name,
            org_id=self._org_name,
            config_bundle=path.as_posix(),
            detect_md5hash=digest,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[environment]),
        )
        return gcp.apigee.EnvironmentApiRevisionDeployment(
            f"{self._name}-deployment",
            org_id=self._org_name,
            environment=environment.name,
            api=proxy.name,
            revision=proxy.latest_revision_id.apply(lambda revision: int(revision or 0)),
            override=True,
            sequenced_rollout=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*servers, *attached]),
        )

    def _ready(self, environment: gcp.apigee.Environment) -> ReadyRevision:
        """Wait for the revision: an edge that is switched before meets a proxy that is not there, or the old one."""
        return ReadyRevision(
            f"{self._name}-ready",
            self._org_name,
            environment.name,
            self._deployment.api,
            self._deployment.revision,
            pulumi.ResourceOptions(parent=self, depends_on=[self._deployment]),
        )

    def _write_bundle(self) -> tuple[Path, str]:
        """Write the zip, the same bytes for the same contract and sources; return its path and base64 MD5."""
        files = render_bundle(
            self._args["contract"],
            self._args["source"],
            self._args["internal_issuer"],
            self._args["internal_audience"],
            pulumi.get_stack(),
        )
        content = bundle_zip(files)
        path = write_artifact(self._args["build"], "apiproxy", "zip", content)
        # The provider compares this very digest to tell whether to upload a new revision: it guards nothing.
        return path, base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()

    def _product(self, spec: ApiProductSpec, environment: gcp.apigee.Environment) -> gcp.apigee.ApiProduct:
        return gcp.apigee.ApiProduct(
            f"{self._name}-product-{spec.name}",
            name=spec.name,
            display_name=spec.title,
            org_id=self._org_id,
            approval_type="auto",
            environments=[environment.name],
            quota=spec.quota,
            quota_interval=spec.interval,
            quota_time_unit=spec.time_unit,
            operation_group={
                "operation_config_type": "proxy",
                "operation_configs": [
                    {
                        "api_source": self._args["contract"].api.name,
                        "operations": [
                            {"resource": operation.resource, "methods": list(operation.methods)}
                            for operation in spec.operations
                        ],
                    }
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._deployment]),
        )

    def _consumers(self, products: list[gcp.apigee.ApiProduct]) -> list[gcp.apigee.DeveloperApp]:
        contract = self._args["contract"]
        developers = {
            email: gcp.apigee.Developer(
                f"{self._name}-developer-{email}",
                email=email,
                user_name=email,
                first_name=email.partition("@")[0],
                last_name=email.partition("@")[2],
                org_id=self._org_id,
                opts=self._opts,
            )
            for email in dict.fromkeys(consumer.developer for consumer in contract.consumers.values())
        }
        return [
            gcp.apigee.DeveloperApp(
                f"{self._name}-app-{consumer_name}",
                name=consumer_name,
                developer_email=developers[consumer.developer].email,
                org_id=self._org_id,
                # Apigee insists on a URL; no flow of this gateway calls it.
                callback_url="",
                api_products=list(consumer.products),
                consumer_key=consumer.consumer_key,
                consumer_secret=RandomSecret(f"{self._name}-secret-{consumer_name}", self._opts).value,
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(products)),
            )
            for consumer_name, consumer in contract.consumers.items()
        ]
