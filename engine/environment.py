"""The variables with which plain `pulumi preview | up | stack export` works in a project's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from engine import official
from engine.install import Choice, choose
from engine.layout import CLOUDS, Layout, is_ours

SANDBOX_PASSPHRASE = "portcullis-sandbox"  # noqa: S105 - see below
"""Encrypts the secrets of the sandbox's stack. It is public on purpose: those keys open nothing outside the sandbox.
Stacks of real environments use a KMS key or Pulumi Cloud, never a passphrase (docs/)."""


class EngineMissingError(Exception):
    """There is no Pulumi CLI yet; the text says how to get one."""


def environment(project: Path, base: Mapping[str, str] | None = None, layout: Layout | None = None) -> dict[str, str]:
    """What to set for `pulumi` to work in `project` (the folder of Pulumi.yaml) against the sandbox.

    Args:
        project: also holds the state, in `.portcullis/state`, which is made here.
        base: the present environment; this process's own unless given.
        layout: the checkout whose engine is used; this one unless given.

    Returns:
        Only the variables to set. PATH is the present one, with our folders where they are needed and nowhere else,
        so that setting it twice changes nothing.

    Raises:
        EngineMissingError: no official CLI on PATH, and `python -m engine.install` has not been run.
    """
    present = os.environ if base is None else base
    layout = layout or Layout()
    choice = choose(present)
    if choice.cli is None and not (layout.bin / "pulumi").is_file():
        raise EngineMissingError("there is no Pulumi CLI yet: run `make up`")
    stand_ins = [cloud for cloud in CLOUDS if not official.has_plugin(cloud, present)]
    project = project.resolve()
    state = project / ".portcullis" / "state"
    state.mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": _path(present, layout, choice, stand_ins),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": SANDBOX_PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PORTCULLIS_CLOCK_FILE": str(project / ".portcullis" / "sandbox" / "clock.json"),
        "PORTCULLIS_HOSTS_FILE": str(project / ".portcullis" / "sandbox" / "hosts.json"),
    }
    if stand_ins:
        # Otherwise the engine would look for the official plugins on the internet before it takes ours.
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if (stand_ins or choice.launchers) and "PULUMI_IGNORE_AMBIENT_PLUGINS" in present:
        variables["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "false"  # ours are found on PATH
    return variables


def _path(present: Mapping[str, str], layout: Layout, choice: Choice, stand_ins: list[str]) -> str:
    rest = [entry for entry in present.get("PATH", os.defpath).split(os.pathsep) if entry and not is_ours(Path(entry))]
    first = [str(layout.bin)] if choice.cli is None else []
    # Last, so that anything official that appears on PATH later wins, and so that no other `python` does.
    last = [str(layout.commands)] if str(layout.commands) not in rest else []
    last += [str(layout.launchers)] if choice.cli is not None and choice.launchers else []
    last += [str(layout.providers(cloud)) for cloud in stand_ins]
    return os.pathsep.join([*first, *rest, *last])
