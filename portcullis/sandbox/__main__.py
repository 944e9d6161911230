"""`python -m portcullis.sandbox`: the sandbox in the foreground, as `portcullis sandbox start` runs it in the back."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from portcullis.sandbox.server import AlreadyRunningError, Options, log_to, serve


def main(
    state_dir: Annotated[Path, typer.Option(help="Folder of the sandbox's state and logs.")],
    workerd: Annotated[Path, typer.Option(help="The workerd binary.")],
    cloudflare_api_port: Annotated[int, typer.Option(help="Port of the Cloudflare API; 0 for a free one.")] = 0,
    apigee_api_port: Annotated[int, typer.Option(help="Port of the Apigee API; 0 for a free one.")] = 0,
) -> None:
    """Serve until interrupted."""
    log_to(state_dir)
    try:
        asyncio.run(serve(Options(state_dir.resolve(), workerd, cloudflare_api_port, apigee_api_port)))
    except (AlreadyRunningError, OSError) as problem:
        sys.exit(f"portcullis sandbox: {problem}")


if __name__ == "__main__":
    typer.run(main)
