"""What an update that was killed has left half done: taken into the state, so that the next one goes on from there.

Pulumi notes each operation before it begins. A killed update leaves those notes, and where the cloud had already done
what was asked, the next update would ask again. That harms nothing for most resources: a key pair, a version of the
Worker and its deployment are made anew. Apigee alone refuses to make an entry that exists, so such an entry is taken
into the state and then read back: where it was not made after all, the refresh takes it out again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, TypeAlias

from portcullis.cli.errors import CommandError
from portcullis.cli.project import Project
from portcullis.cli.stack import run_pulumi, stack_state

Json: TypeAlias = dict[str, Any]

_KEY_ENTRY: Final = "gcp:apigee/environmentKeyvaluemapsEntries:EnvironmentKeyvaluemapsEntries"


def adopt_pending(project: Project, stack: str) -> None:
    """Mend the state of a stack whose last update was killed; raises `CommandError` where Pulumi refuses."""
    state = stack_state(project, stack)
    deployment: Json = state.get("deployment") or {}
    if not deployment.get("pending_operations"):
        return
    adopted = adopt(state)
    sys.stderr.write(f"the last update of {stack} was cut off: its state is mended before this run\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(state), encoding="utf-8")
        _run(project, stack, "stack", "import", "--file", str(path))
    if adopted:
        targets = [argument for urn in adopted for argument in ("--target", urn)]
        _run(project, stack, "refresh", "--yes", "--skip-preview", *targets)


def adopt(state: Json) -> list[str]:
    """Turn the pending operations of an exported state into what it knows; return the URNs that must be read back."""
    deployment: Json = state["deployment"]
    resources: list[Json] = deployment.setdefault("resources", [])
    known = {resource["urn"] for resource in resources}
    adopted: list[str] = []
    for operation in deployment.pop("pending_operations"):
        resource: Json = operation["resource"]
        inputs: Json = resource.get("inputs") or {}
        if operation["type"] != "creating" or resource["type"] != _KEY_ENTRY or resource["urn"] in known:
            continue
        entry_id = f"{inputs['envKeyvaluemapId']}/entries/{inputs['name']}"
        outputs = {name: value for name, value in inputs.items() if name != "__defaults"}
        resources.append({**resource, "id": entry_id, "outputs": {**outputs, "id": entry_id}})
        adopted.append(resource["urn"])
    return adopted


def _run(project: Project, stack: str, *arguments: str) -> None:
    done = run_pulumi(project, *arguments, stack=stack)
    if done.returncode != 0:
        raise CommandError(f"`pulumi {' '.join(arguments[:2])}` failed: {done.stderr.strip() or done.stdout.strip()}")
