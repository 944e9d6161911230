"""The checkout that the command works on, and the contract in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portcullis.cli.errors import CommandError
from portcullis.contract import Contract, ContractError, load

SANDBOX_STACK = "local"


@dataclass(frozen=True)
class Project:
    """A checkout: the folder that holds `Pulumi.yaml` and `gateway.yaml`."""

    root: Path

    @property
    def sandbox_dir(self) -> Path:
        """Where the sandbox keeps its state and logs."""
        return self.root / ".portcullis" / "sandbox"

    @property
    def backend_dir(self) -> Path:
        """Where Pulumi keeps the state of the sandbox's stack."""
        return self.root / ".portcullis" / "state"

    @property
    def clock_file(self) -> Path:
        """The file that moves the rotation step's clock."""
        return self.sandbox_dir / "clock.json"

    @property
    def hosts_file(self) -> Path:
        """The file in which the sandbox says where each deployed hostname answers."""
        return self.sandbox_dir / "hosts.json"

    @property
    def stack_file(self) -> Path:
        """The settings of the sandbox's stack."""
        return self.root / f"Pulumi.{SANDBOX_STACK}.yaml"

    def contract(self) -> Contract:
        """Return the contract of the sandbox's stack; raises `CommandError` with every problem in it."""
        overlay = self.root / f"gateway.{SANDBOX_STACK}.yaml"
        try:
            return load(self.root / "gateway.yaml", overlay if overlay.exists() else None)
        except ContractError as problem:
            raise CommandError(str(problem)) from None


def find_project(start: Path | None = None) -> Project:
    """Return the project that `start` (the working directory) is in; raises `CommandError` where it is in none."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file() and (folder / "gateway.yaml").is_file():
            return Project(folder)
    raise CommandError("this is not a Portcullis project: change to the folder that holds Pulumi.yaml and gateway.yaml")
