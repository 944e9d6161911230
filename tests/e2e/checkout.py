"""A copy of this checkout with a sandbox and a stack of its own, driven by the real commands as a user would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.environment import environment as engine_variables

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_SECONDS = 600

_OF_A_CALLER = ("PULUMI_BACKEND", "PULUMI_CONFIG", "PULUMI_STACK", "PORTCULLIS_CLOCK", "PORTCULLIS_HOSTS")


@dataclass(frozen=True)
class Checkout:
    """Where the copy is; commands run in it with nothing of the caller's sandbox."""

    root: Path

    @property
    def database(self) -> Path:
        """The sandbox's SQLite file."""
        return self.root / ".portcullis" / "sandbox" / "state.db"

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy; a failure shows what it printed."""
        done = subprocess.run(
            list(command),
            cwd=self.root,
            env=self.environment(),
            text=True,
            capture_output=True,
            check=False,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}"
        return done

    def portcullis(self, *arguments: str) -> Any:
        """Run `portcullis ... --json` and return the document."""
        return json.loads(self.run(str(self.root / ".venv/bin/portcullis"), *arguments, "--json").stdout)

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` on the sandbox's stack."""
        return self.run("pulumi", *arguments, "--stack", "local", "--non-interactive", check=check)

    def up(self) -> None:
        """Update the stack."""
        self.pulumi("up", "--yes", "--skip-preview")

    def changes(self) -> dict[str, str]:
        """Return what a preview would do to each resource that would change: name to operation."""
        shown = json.loads(self.pulumi("preview", "--json").stdout)
        steps = ((step["urn"].rpartition("::")[2], step["op"]) for step in shown["steps"])
        # A replacement is told in three steps; its name stands for all of them.
        return {name: op for name, op in steps if op not in ("same", "create-replacement", "delete-replaced")}

    def exported_state(self) -> str:
        """Return the stack's state as `pulumi stack export` prints it."""
        return self.pulumi("stack", "export").stdout

    def environment(self) -> dict[str, str]:
        """Return the variables that a shell in the copy would have after `portcullis env`."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_CALLER)}
        return {**outer, **engine_variables(self.root, outer)}


def make_checkout(root: Path) -> Checkout:
    """Copy the files that git would, and link what is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    for installed in (".venv", "worker/node_modules"):
        (root / installed).symlink_to(ROOT / installed)
    return Checkout(root)
