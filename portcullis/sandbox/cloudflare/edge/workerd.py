"""Where the workerd binary is."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from portcullis.sandbox.cloudflare.edge.errors import EdgeError

_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_MACHINES = {"x86_64": "64", "amd64": "64", "aarch64": "arm64", "arm64": "arm64"}


def find_workerd(project: Path) -> Path:
    """Return the binary that npm installed under `worker/` of the project; raises `EdgeError` where there is none."""
    system, machine = _SYSTEMS.get(sys.platform), _MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise EdgeError(f"there is no workerd for {sys.platform} on {platform.machine()}: use Linux or macOS")
    binary = project / "worker" / "node_modules" / "@cloudflare" / f"workerd-{system}-{machine}" / "bin" / "workerd"
    if not binary.is_file():
        raise EdgeError(f"workerd is not installed in {project / 'worker'}: run `npm ci` there")
    return binary
