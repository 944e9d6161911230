"""The edge tier: the Worker, what it is bound to, and the way to it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import pulumi
import pulumi_cloudflare as cloudflare

from components.artifacts import write_artifact
from components.proofs import CLASS_NAME, ProofsWorker
from components.random_secret import RandomSecret
from portcullis.contract import Contract
from portcullis.contract.edge_limits import binding_name, edge_limit, namespace_id
from portcullis.contract.policy_table import policy_table

COMPATIBILITY_DATE = "2026-07-01"
"""The behaviour of Workers that the code was tested with."""

WARM_KEYS_CRON = "*/10 * * * *"
"""Every ten minutes the Worker fetches the issuers' keys, so that no caller waits for them."""

PROXIED_ONLY = "100::"
"""An address that routes nowhere (RFC 6666): the record exists so that Cloudflare answers, never to be reached."""


class EdgeBuildError(pulumi.RunError):
    """The Worker could not be built; the message says what to run."""


class EdgeGatewayArgs(TypedDict):
    """What the edge tier is made from."""

    contract: Contract
    """The parsed contract."""
    account_id: str
    """The Cloudflare account's id."""
    zone_id: str
    """The id of the zone that the hostname is in."""
    hostname: str
    """The public hostname."""
    route: str
    """`domain`: a custom domain; `route`: a route and a proxied DNS record."""
    internal_issuer: str
    """The issuer of the internal token."""
    internal_audience: str
    """The audience of the internal token."""
    apigee_origin: pulumi.Input[str]
    """The URL to forward to, without a path."""
    worker_ring: pulumi.Input[str]
    """The ring's secret for the Worker."""
    ring_generation: pulumi.Input[int]
    """The ring's generation, told in the version's message so that a preview says why it changes."""
    introspection_secrets: pulumi.Input[Mapping[str, str | list[str]]]
    """The client secret at each issuer that introspects, by the issuer's name, or a list of the new and the old one
    while it is changed; a Pulumi secret."""
    verifiers: pulumi.Input[list[pulumi.Resource]]
    """What must hold the ring's public keys before the Worker signs with the private one."""
    protect: bool
    """Whether Pulumi refuses to delete the KV namespace."""
    source: Path
    """The folder of the Worker's sources."""
    build: Path
    """The folder the Worker is built into, relative to the project: its path is part of the stack's state."""


class EdgeGateway(pulumi.ComponentResource):
    """A Worker verifies callers at the edge and forwards what is allowed.

    **Pulumi type:** `portcullis:index:EdgeGateway`

    Produces a KV namespace; a Worker, its version and its deployment; a custom domain, or a route and a DNS record; a
    cron trigger; the salt of the audit lines' pseudonyms.
    """

    url: pulumi.Output[str]
    """The public URL."""
    version_id: pulumi.Output[str]
    """The Worker version that is deployed."""
    deployed: list[pulumi.Resource]
    """What must exist before the public URL answers with this version."""

    def __init__(self, name: str, args: EdgeGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portcullis:index:EdgeGateway", name, {"hostname": args["hostname"]}, opts)
        self._name = name
        self._args = args
        self._opts = pulumi.ResourceOptions(parent=self)
        self._proofs = self._make_proofs()
        worker = cloudflare.Worker(
            f"{name}-worker",
            account_id=args["account_id"],
            name=args["contract"].api.name,
            subdomain={"enabled": False, "previews_enabled": False},
            # Deleted before the Worker whose class it is bound to, which Cloudflare would refuse to delete.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._proofs.deployed] if self._proofs else None),
        )
        version = self._make_version(worker)
        deployment = cloudflare.WorkersDeployment(
            f"{name}-deployment",
            account_id=args["account_id"],
            script_name=worker.name,
            strategy="percentage",
            versions=[{"version_id": version.id, "percentage": 100}],
            opts=self._opts,
        )
        self.deployed = [deployment, self._way_in(worker, deployment)]
        cloudflare.WorkersCronTrigger(
            f"{name}-cron",
            account_id=args["account_id"],
            script_name=worker.name,
            schedules=[{"cron": WARM_KEYS_CRON}],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.url = pulumi.Output.from_input(f"https://{args['hostname']}")
        self.version_id = version.id
        self.register_outputs({"url": self.url, "version_id": self.version_id})

    def _make_version(self, worker: cloudflare.Worker) -> cloudflare.WorkerVersion:
        args = self._args
        modules = {
            "index.js": ("application/javascript+module", _build_worker("index", args["source"], args["build"])),
            "policy.json": ("application/json", self._write_policy()),
        }
        message = pulumi.Output.format("contract {0}, ring {1}", args["contract"].version_hash, args["ring_generation"])
        return cloudflare.WorkerVersion(
            f"{self._name}-version",
            account_id=args["account_id"],
            worker_id=worker.id,
            main_module="index.js",
            # The provider reads the files and replaces the version when their digests change.
            modules=[
                {"name": module, "content_type": content_type, "content_file": path.as_posix()}
                for module, (content_type, path) in modules.items()
            ],
            compatibility_date=COMPATIBILITY_DATE,
            bindings=self._bindings(),
            annotations={"workers_message": message},
            # Verifiers are written before signers (rule I9).
            opts=pulumi.ResourceOptions(parent=self, depends_on=args["verifiers"]),
        )

    def _make_proofs(self) -> ProofsWorker | None:
        """Make the Worker that remembers proofs, where tokens of some issuer are bound to DPoP keys."""
        args = self._args
        constraints = [issuer.sender_constraint for issuer in args["contract"].issuers.values()]
        if not any(constraint is not None and "dpop" in constraint.methods for constraint in constraints):
            return None
        return ProofsWorker(
            f"{self._name}-proofs",
            account_id=args["account_id"],
            script_name=f"{args['contract'].api.name}-proofs",
            module=_build_worker("proofs", args["source"], args["build"]).read_bytes(),
            compatibility_date=COMPATIBILITY_DATE,
            opts=self._opts,
        )

    def _bindings(self) -> list[cloudflare.WorkerVersionBindingArgs]:
        """Return the bindings sorted by name: the provider matches the API's answer to them by position."""
        args = self._args
        storage = cloudflare.WorkersKvNamespace(
            f"{self._name}-kv",
            account_id=args["account_id"],
            title=f"{args['contract'].api.name}-{pulumi.get_stack()}",
            opts=pulumi.ResourceOptions(parent=self, protect=args["protect"]),
        )
        salt = RandomSecret(f"{self._name}-audit-salt", self._opts)
        introspection = pulumi.Output.from_input(args["introspection_secrets"]).apply(
            lambda known: json.dumps(known, sort_keys=True)
        )
        bindings = [
            *self._limits(),
            cloudflare.WorkerVersionBindingArgs(
                name="ANALYTICS",
                type="analytics_engine",
                # Datasets are the account's, and made by their first point; names take letters, digits and `_`.
                dataset=f"{args['contract'].api.name}_{pulumi.get_stack()}".replace("-", "_"),
            ),
            _text("APIGEE_ORIGIN", args["apigee_origin"]),
            _secret("AUDIT_SALT", salt.value),
            _text("ENVIRONMENT", pulumi.get_stack()),
            _secret("INTROSPECTION_SECRETS", introspection),
            cloudflare.WorkerVersionBindingArgs(name="KV", type="kv_namespace", namespace_id=storage.id),
            _secret("RING", args["worker_ring"]),
            cloudflare.WorkerVersionBindingArgs(name="VERSION", type="version_metadata"),
        ]
        if args["contract"].edge.ai_hint is not None:
            bindings.append(cloudflare.WorkerVersionBindingArgs(name="AI", type="ai"))
        if self._proofs is not None:
            bindings.append(
                cloudflare.WorkerVersionBindingArgs(
                    name="REPLAY",
                    type="durable_object_namespace",
                    class_name=CLASS_NAME,
                    script_name=self._proofs.script_name,
                )
            )
        return sorted(bindings, key=lambda binding: str(binding.name))

    def _limits(self) -> list[cloudflare.WorkerVersionBindingArgs]:
        """Return one rate limit for each product, with the numbers that the contract derives from its own limits."""
        contract = self._args["contract"]
        limits = {name: edge_limit(name, product) for name, product in contract.products.items()}
        return [
            cloudflare.WorkerVersionBindingArgs(
                name=binding_name(product),
                type="ratelimit",
                namespace_id=namespace_id(contract, pulumi.get_stack(), product),
                simple=cloudflare.WorkerVersionBindingSimpleArgs(limit=limit.requests, period=limit.seconds),
            )
            for product, limit in limits.items()
        ]

    def _write_policy(self) -> Path:
        """Write the policy table as a module of the Worker: a text binding may hold 5 KB, a module megabytes."""
        args = self._args
        table = policy_table(args["contract"], args["internal_issuer"], args["internal_audience"])
        text = json.dumps(table, indent=1, sort_keys=True) + "\n"
        return write_artifact(args["build"], "policy", "json", text.encode())

    def _way_in(self, worker: cloudflare.Worker, deployment: cloudflare.WorkersDeployment) -> pulumi.Resource:
        """Lead the hostname to the Worker, once it is deployed; return what leads it there."""
        args = self._args
        deployed = pulumi.ResourceOptions(parent=self, depends_on=[deployment])
        if args["route"] == "domain":
            return cloudflare.WorkersCustomDomain(
                f"{self._name}-domain",
                account_id=args["account_id"],
                zone_id=args["zone_id"],
                hostname=args["hostname"],
                service=worker.name,
                # The API fills this in; unset, the provider would replace the domain in the next update.
                environment="production",
                # A domain is made and deleted by its hostname: deleting the old one second would delete the new one.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment], delete_before_replace=True),
            )
        cloudflare.DnsRecord(
            f"{self._name}-dns",
            zone_id=args["zone_id"],
            name=args["hostname"],
            type="AAAA",
            content=PROXIED_ONLY,
            proxied=True,
            # A proxied record's TTL is Cloudflare's own, which the API calls 1.
            ttl=1,
            opts=self._opts,
        )
        return cloudflare.WorkersRoute(
            f"{self._name}-route",
            zone_id=args["zone_id"],
            pattern=f"{args['hostname']}/*",
            script=worker.name,
            opts=deployed,
        )


def _text(name: str, text: pulumi.Input[str]) -> cloudflare.WorkerVersionBindingArgs:
    return cloudflare.WorkerVersionBindingArgs(name=name, type="plain_text", text=text)


def _secret(name: str, text: pulumi.Input[str]) -> cloudflare.WorkerVersionBindingArgs:
    return cloudflare.WorkerVersionBindingArgs(name=name, type="secret_text", text=pulumi.Output.secret(text))


def _build_worker(entry: str, source: Path, folder: Path) -> Path:
    """Bundle a Worker with esbuild: the same sources give the same bytes. Raises `EdgeBuildError`."""
    node = shutil.which("node")
    if node is None or not (source / "node_modules").is_dir():
        raise EdgeBuildError(f"the Worker's build tools are not installed: run `npm ci` in {source} (Node 20 or newer)")
    target = folder / f"{entry}.js"
    folder.mkdir(parents=True, exist_ok=True)
    command = [node, str(source / "build.mjs"), "--entry", entry, "--outfile", os.fspath(target)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    if built.returncode != 0:
        raise EdgeBuildError(f"the Worker does not build:\n{built.stderr.strip()}")
    return write_artifact(folder, entry, "js", target.read_bytes())
