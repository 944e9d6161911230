"""Which Pulumi packages and which Python distributions a project has installed.

A Pulumi package ships a `pulumi-plugin.json` that names the provider plugin it needs
(`{"resource": true, "name": ..., "version": ..., "server": ..., "parameterization": {...}}`). The engine installs
those plugins before it runs the program, and picks by them on `pulumi import`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.host.interpreter import Interpreter

INVENTORY = Path(__file__).with_name("inventory.py")
# These say `"resource": true` or nothing at all, and yet are libraries without a plugin.
_NOT_PLUGINS = frozenset({"pulumi_policy", "pulumi_esc_sdk", "pulumi"})
_PRERELEASE = {"a": "alpha", "b": "beta", "rc": "rc"}


class InventoryError(Exception):
    """The project's Python could not say what is installed; the text says why."""


@dataclass(frozen=True)
class Parameterization:
    """How a base plugin is turned into the package's provider: `value` is opaque bytes of the plugin's own."""

    name: str
    version: str
    value: bytes


@dataclass(frozen=True)
class Package:
    """A provider plugin that an installed Pulumi package needs. `version` is a semantic version without `v`."""

    name: str
    version: str
    server: str = ""
    parameterization: Parameterization | None = None
    extension: Parameterization | None = None


@dataclass(frozen=True)
class Distribution:
    """An installed Python distribution; `required` says that another one depends on it."""

    name: str
    version: str
    required: bool


@dataclass(frozen=True)
class Inventory:
    """Everything installed for one interpreter."""

    packages: list[Package]
    distributions: list[Distribution]


def inventory(interpreter: Interpreter, root: Path, environment: Mapping[str, str]) -> Inventory:
    """Ask `interpreter` what it has installed.

    Raises:
        InventoryError: it does not run, or a package's pulumi-plugin.json is not what it must be.
    """
    asked = subprocess.run(  # noqa: S603 - the project's own Python
        [str(interpreter.python), str(INVENTORY)],
        cwd=root,
        env=interpreter.environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        raise InventoryError(f"{interpreter.python} cannot list its packages:\n{asked.stderr.strip()}")
    answer = json.loads(asked.stdout)
    packages = [_package(entry) for entry in answer["packages"]]
    return Inventory(
        packages=[package for package in packages if package is not None],
        distributions=[Distribution(d["name"], d["version"], d["required"]) for d in answer["distributions"]],
    )


def _package(entry: dict[str, Any]) -> Package | None:
    folder, plugin = str(entry["package"]), entry["plugin"]
    if not isinstance(plugin, dict):
        raise InventoryError(f"{entry['file']}: not a JSON object; reinstall the package")
    fields = cast("dict[str, Any]", plugin)
    if fields.get("resource") is not True or folder in _NOT_PLUGINS:
        return None
    version = str(fields.get("version") or "") or semantic_version(str(entry["version"]))
    return Package(
        name=str(fields.get("name") or folder.removeprefix("pulumi_").replace("_", "-")),
        version=version.removeprefix("v"),
        server=str(fields.get("server") or ""),
        parameterization=_parameterization(entry, fields.get("parameterization")),
        extension=_parameterization(entry, fields.get("extensionParameterization")),
    )


def _parameterization(entry: dict[str, Any], found: Any) -> Parameterization | None:
    if not found:
        return None
    try:
        value = base64.b64decode(found.get("value") or "", validate=True)
        return Parameterization(str(found["name"]), str(found["version"]), value)
    except (AttributeError, KeyError, TypeError, binascii.Error) as problem:
        raise InventoryError(f"{entry['file']}: unusable parameterization ({problem}); reinstall the package") from None


def semantic_version(version: str) -> str:
    """A Python version (PEP 440) as a semantic one: `1.2.3a4` becomes `1.2.3-alpha.4`, `1.2.dev5` `1.2.0-dev.5`.

    Empty when there is none to be made: the engine then takes whatever plugin version is there.
    """
    match = re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:(a|b|rc)(\d+))?(?:\.dev(\d+))?(?:\+.*)?", version)
    if match is None:
        return ""
    major, minor, patch, stage, number, dev = match.groups()
    plain = f"{major}.{minor or 0}.{patch or 0}"
    parts = [f"{_PRERELEASE[stage]}.{number}"] if stage else []
    if dev is not None:
        parts.append(f"dev.{dev}")
    return "-".join([plain, ".".join(parts)]) if parts else plain
