"""Where the engine's files are: in the checkout (`.portcullis/engine`), and in the cache outside it."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENGINE_VERSION = "3.258.0"
CLOUDS = ("cloudflare", "gcp")
CHECKOUT = Path(__file__).resolve().parent.parent

_FOLDER = Path(".portcullis") / "engine"
LANGUAGE_HOST = "pulumi-language-python"
DYNAMIC_PROVIDER = "pulumi-resource-pulumi-python"


@dataclass(frozen=True)
class Layout:
    """The engine's folders in one checkout."""

    checkout: Path = CHECKOUT

    @property
    def bin(self) -> Path:
        """The CLI we built, with the launchers beside it: the engine then takes them for its own."""
        return self.checkout / _FOLDER / "bin"

    @property
    def launchers(self) -> Path:
        """The launchers alone, for an official CLI that came without them."""
        return self.checkout / _FOLDER / "launchers"

    def providers(self, cloud: str) -> Path:
        """The stand-in provider plugin of `cloud` (one of CLOUDS), alone in its folder."""
        return self.checkout / _FOLDER / "providers" / cloud

    @property
    def commands(self) -> Path:
        """The folder of the `portcullis` command."""
        return self.checkout / ".venv" / "bin"

    @property
    def python(self) -> Path:
        """The checkout's own Python, which runs all launchers."""
        own = self.commands / "python"
        return own if own.exists() else Path(sys.executable)


def is_ours(folder: Path) -> bool:
    """Whether `folder` is one of these, in this or in another checkout."""
    parts = folder.parts
    return any(parts[i : i + 2] == _FOLDER.parts for i in range(len(parts) - 1))


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where built engines are kept: `$PORTCULLIS_CACHE`, `$XDG_CACHE_HOME/portcullis` or `~/.cache/portcullis`."""
    if environment.get("PORTCULLIS_CACHE"):
        return Path(environment["PORTCULLIS_CACHE"])
    base = environment.get("XDG_CACHE_HOME")
    # The XDG base directory specification has relative paths ignored.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "portcullis"


def cached_cli(environment: Mapping[str, str]) -> Path:
    """The built CLI of ENGINE_VERSION for this kind of machine, whether or not it is there yet."""
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache_folder(environment) / "engine" / f"{ENGINE_VERSION}-{machine}" / "pulumi"


def write_launchers(layout: Layout, folder: Path) -> None:
    """Put the language host and the dynamic provider in `folder`."""
    write_launcher(folder / LANGUAGE_HOST, layout, "engine.language_host")
    write_launcher(folder / DYNAMIC_PROVIDER, layout, "engine.dynamic_provider")


def write_provider_launchers(layout: Layout) -> None:
    """Put the stand-in provider plugin of each cloud in its folder."""
    for cloud in CLOUDS:
        write_launcher(layout.providers(cloud) / f"pulumi-resource-{cloud}", layout, "engine.providers", cloud)


def write_launcher(path: Path, layout: Layout, module: str, *arguments: str) -> None:
    """An executable that runs `module` of this checkout with `arguments` and its own."""
    # -P: a folder `engine` of the project that it is started in must not be taken for ours.
    command = shlex.join([str(layout.python), "-P", "-u", "-m", module, *arguments])
    replace_file(path, f'#!/bin/sh\nexec {command} "$@"\n'.encode(), mode=0o755)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write `path` whole or not at all; nothing happens where it already is as it should be."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
