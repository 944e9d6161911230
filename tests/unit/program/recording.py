"""Runs the whole program, or one component, under Pulumi mocks and records the graph it registers."""

import asyncio
import json
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.dynamic import CreateResult
from pulumi.runtime import rpc, settings
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from ruamel.yaml import YAML

from components.random_secret import RandomSecretProvider
from components.ready_revision import ReadyRevisionProvider
from components.ring_resources import PublishedKeyProvider, RingGenerationProvider, SigningKeyProvider

PROJECT = Path(__file__).parents[3]


class _ReadyAtOnce(ReadyRevisionProvider):
    """No cloud is asked under mocks."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(id_="ready", outs=props)


_DYNAMIC = {
    "pulumi-python:dynamic/apigee:ReadyRevision": _ReadyAtOnce(),
    "pulumi-python:dynamic/ring:RingGeneration": RingGenerationProvider(),
    "pulumi-python:dynamic/ring:SigningKey": SigningKeyProvider(),
    "pulumi-python:dynamic/ring:PublishedKey": PublishedKeyProvider(),
    "pulumi-python:dynamic/secrets:RandomSecret": RandomSecretProvider(),
}


class _Answers(Mocks):
    """Answers as the providers would where the program needs an answer; runs our own dynamic providers for real."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {name: value for name, value in args.inputs.items() if name != "__provider"}
        provider = _DYNAMIC.get(args.typ)
        if provider is not None:
            checked = provider.check({}, inputs)
            if checked.failures:
                raise ValueError("; ".join(failure.reason for failure in checked.failures))
            created = provider.create(checked.inputs)
            return created.id, created.outs or {}
        if args.typ == "gcp:apigee/api:Api":
            return f"{args.name}-id", {**inputs, "latestRevisionId": "1"}
        return f"{args.name}-id", inputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program asks {args.token}, which a preview without credentials could not answer")


@dataclass(frozen=True)
class Recorded:
    """One registration as the engine would see it."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    protect: bool
    depends_on: frozenset[str]
    secret_outputs: frozenset[str]
    custom: bool


class Recorder(MockMonitor):
    """A monitor that keeps every registration and the stack's outputs."""

    def __init__(self) -> None:
        super().__init__(_Answers())
        self.registered: dict[str, Recorded] = {}
        self.outputs: dict[str, Any] = {}
        self.secret_stack_outputs: frozenset[str] = frozenset()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name of the RPC
        response = super().RegisterResource(request)
        raw = json_format.MessageToDict(request.object)
        self.registered[response.urn] = Recorded(
            type=request.type,
            name=request.name,
            parent=request.parent,
            inputs={name: _plain(value) for name, value in raw.items() if name != "__provider"},
            secret_inputs=frozenset(name for name, value in raw.items() if _holds_secret(value)) - {"__provider"},
            protect=request.protect,
            depends_on=frozenset(request.dependencies),
            secret_outputs=frozenset(request.additionalSecretOutputs),
            custom=request.custom,
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the name of the RPC
        if "pulumi:pulumi:Stack" in request.urn:
            raw = json_format.MessageToDict(request.outputs)
            self.outputs = {name: _plain(value) for name, value in raw.items()}
            self.secret_stack_outputs = frozenset(name for name, value in raw.items() if _holds_secret(value))
        return super().RegisterResourceOutputs(request)

    def of_type(self, token: str) -> list[Recorded]:
        """Return the registrations of a type."""
        return [resource for resource in self.registered.values() if resource.type == token]

    def named(self, name: str) -> Recorded:
        """Return the registration of a name."""
        return next(resource for resource in self.registered.values() if resource.name == name)

    def urn(self, name: str) -> str:
        """Return the URN of a name."""
        return next(urn for urn, resource in self.registered.items() if resource.name == name)


@dataclass
class StackConfig:
    """A stack's settings as the engine hands them to the program."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    secrets: list[str] = field(default_factory=list[str])


def stack_config(stack: str) -> StackConfig:
    """Return the settings of `Pulumi.<stack>.yaml` over the defaults of `Pulumi.yaml`; what is encrypted is a dummy."""
    config = StackConfig()
    for key, declared in _yaml("Pulumi.yaml")["config"].items():
        if declared["default"] != "":
            config.values[f"portcullis:{key}"] = _text(declared["default"])
    for key, value in _yaml(f"Pulumi.{stack}.yaml")["config"].items():
        config.values[key] = _text(_decrypted(value))
        if _is_encrypted(value):
            config.secrets.append(key)
    return config


def run_program(stack: str, config: StackConfig | None = None, *, preview: bool = False) -> Recorder:
    """Run `__main__.py` as the language host would and return what it registered."""
    chosen = config or stack_config(stack)
    return record(
        lambda: runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__"), stack, chosen, preview=preview
    )


def record(
    program: Callable[[], object], stack: str = "test", config: StackConfig | None = None, *, preview: bool = False
) -> Recorder:
    """Run a program in an event loop of its own and return what it registered."""
    chosen = config or StackConfig()

    async def run() -> Recorder:
        # A run that failed leaves its own behind.
        settings.SETTINGS.rpc_manager.clear()  # pyright: ignore[reportAttributeAccessIssue] - a proxy object
        settings.SETTINGS.outputs.clear()  # pyright: ignore[reportAttributeAccessIssue]
        recorder = Recorder()
        set_mocks(_Answers(), project="portcullis", stack=stack, preview=preview, monitor=recorder)
        settings.set_root_resource(None)  # pyright: ignore[reportArgumentType] - a run before left its own
        pulumi.runtime.set_all_config(chosen.values, chosen.secrets)
        # A program that stops leaves outputs behind, and the loop would print why for each; the error itself is raised.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        await pulumi.runtime.run_in_stack(lambda: _discard(program()))
        return recorder

    return asyncio.run(run())


def _discard(_: object) -> None:
    """The runtime would await what a program returns."""


def _yaml(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load((PROJECT / name).read_text(encoding="utf-8"))


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and any(k == "secure" or _is_encrypted(v) for k, v in value.items())


def _decrypted(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return "a secret" if "secure" in value else {key: _decrypted(inner) for key, inner in value.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get(rpc._special_sig_key) == rpc._special_secret_sig or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _plain(value: Any) -> Any:
    """Replace every secret by a mark: a snapshot says that it is one, not what it is."""
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return "[secret]"
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
