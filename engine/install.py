"""`python -m engine.install`: make sure that this checkout has a Pulumi engine. Running it again does nothing new.

1. An official `pulumi` on PATH, new enough, is used as it is. If it came without Python support (a bare CLI), our
   language host and dynamic provider launcher are laid out for it.
2. Otherwise the CLI is built from its Go module into the cache (`$PORTCULLIS_CACHE`, `$XDG_CACHE_HOME/portcullis` or
   `~/.cache/portcullis`) and laid out in `.portcullis/engine/bin` with our two launchers beside it.

Either way the launchers of the stand-in provider plugins are laid out; `engine.environment` uses them only for a
cloud whose official plugin is missing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine import build, official
from engine.layout import ENGINE_VERSION, Layout, write_launchers, write_provider_launchers


@dataclass(frozen=True)
class Choice:
    """Which engine is used. `cli` is None when it is the one we build; `launchers`: it needs our Python support."""

    cli: official.Cli | None
    launchers: bool


def choose(environment: Mapping[str, str]) -> Choice:
    """Decide by what is on PATH; changes nothing."""
    cli = official.find_cli(environment)
    if cli is None or not cli.new_enough:
        return Choice(None, launchers=True)
    return Choice(cli, launchers=not official.has_python_support(cli, environment))


def install(layout: Layout, environment: Mapping[str, str], say: build.Say) -> Choice:
    """Lay out in the checkout what `choose` finds missing.

    Raises:
        build.BuildError: there is no CLI and none can be built.
    """
    choice = choose(environment)
    if choice.cli is None:
        binary = build.ensure_built(environment, say)
        _link(binary, layout.bin / "pulumi")
        write_launchers(layout, layout.bin)
        say(f"using the Pulumi CLI {ENGINE_VERSION} built for this machine")
    else:
        if choice.launchers:
            write_launchers(layout, layout.launchers)
        ours = ", with our Python support" if choice.launchers else ""
        say(f"using the Pulumi CLI {choice.cli.version} found at {choice.cli.path}{ours}")
    write_provider_launchers(layout)
    return choice


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy of it on another file system; whole or not at all."""
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fresh = Path(folder) / target.name
        try:
            fresh.hardlink_to(source)
        except OSError:
            shutil.copy2(source, fresh)
        fresh.replace(target)


def main() -> int:
    """Install for this checkout; returns the exit status."""
    try:
        install(Layout(), os.environ, lambda line: print(f"engine: {line}", flush=True))
    except build.BuildError as problem:
        print(f"engine: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("engine: interrupted; what is compiled so far is kept for the next run", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
