"""What of Pulumi's own release is installed on this machine. Our own parts, in any checkout, do not count."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.layout import DYNAMIC_PROVIDER, LANGUAGE_HOST, is_ours

MINIMUM_CLI = (3, 250, 0)  # `policy analyze --file` and `--skip-config-validation` came with 3.249
_ASK_SECONDS = 60.0


@dataclass(frozen=True)
class Cli:
    """A `pulumi` found on PATH; `version` is empty when it did not say one."""

    path: Path
    version: str
    numbers: tuple[int, int, int]

    @property
    def new_enough(self) -> bool:
        """Whether it is at least MINIMUM_CLI."""
        return self.numbers >= MINIMUM_CLI


def find_cli(environment: Mapping[str, str]) -> Cli | None:
    """The first `pulumi` on PATH that is not ours, of whatever version; None when there is none."""
    found = find_program("pulumi", environment)
    if found is None:
        return None
    version = cli_version(found, environment)
    return Cli(found, version, _numbers(version))


def cli_version(cli: Path, environment: Mapping[str, str]) -> str:
    """What `pulumi version` answers, without its `v`; empty when it fails or answers something else."""
    try:
        asked = subprocess.run(  # noqa: S603 - asking the CLI that is to be used
            [str(cli), "version"],
            env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.fullmatch(r"v?(\d+\.\d+\.\d+\S*)", asked.stdout.strip())
    return match.group(1) if asked.returncode == 0 and match else ""


def has_python_support(cli: Cli, environment: Mapping[str, str]) -> bool:
    """Whether the language host and the dynamic provider are beside `cli`, or else on PATH."""
    beside = cli.path.resolve().parent
    return all(
        _is_program(beside / name) or find_program(name, environment) is not None
        for name in (LANGUAGE_HOST, DYNAMIC_PROVIDER)
    )


def has_plugin(cloud: str, environment: Mapping[str, str]) -> bool:
    """Whether the official provider plugin of `cloud` is on PATH, or installed in the version that the SDK wants.

    The engine takes an installed plugin only in exactly the version of the SDK package, and one on PATH in any.
    """
    if find_program(f"pulumi-resource-{cloud}", environment) is not None:
        return True
    version = sdk_version(cloud)
    plugins = _pulumi_home(environment) / "plugins"
    wanted = f"resource-{cloud}-v{version}" if version else f"resource-{cloud}-v*"
    return any(
        _is_program(folder / f"pulumi-resource-{cloud}") and not folder.with_name(f"{folder.name}.partial").exists()
        for folder in plugins.glob(wanted)
    )


def sdk_version(cloud: str) -> str:
    """The plugin version that the installed Python package of `cloud` names; empty when it is not installed."""
    found = importlib.util.find_spec(f"pulumi_{cloud}")
    if found is None or found.origin is None:
        return ""
    plugin = json.loads(Path(found.origin).with_name("pulumi-plugin.json").read_text("utf-8"))
    return str(plugin["version"]).removeprefix("v")


def find_program(name: str, environment: Mapping[str, str]) -> Path | None:
    """The first executable `name` on PATH outside our own folders."""
    folders = [Path(entry) for entry in environment.get("PATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join(str(folder) for folder in folders if not is_ours(folder))
    # An empty search path means "the default one" to `which`; here it means that there is nowhere to look.
    found = shutil.which(name, path=path) if path else None
    return Path(found) if found else None


def _pulumi_home(environment: Mapping[str, str]) -> Path:
    return Path(environment["PULUMI_HOME"]) if environment.get("PULUMI_HOME") else Path.home() / ".pulumi"


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _numbers(version: str) -> tuple[int, int, int]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)
