"""Run by a project's own Python: prints, as one JSON object, what is installed there.

`packages`: every `pulumi-plugin.json` found one level below a folder of the import path, with the name of the
package's folder and the version of its distribution. `distributions`: name and version of everything installed,
and whether something else installed requires it. Standard library only: nothing else is sure to be there.
"""

import importlib.metadata
import json
import pathlib
import re
import sys
from typing import Any


def main() -> None:
    """Print the inventory."""
    # Run as a file, this file's folder leads the import path; it is not the project's.
    folders = [pathlib.Path(entry) for entry in sys.path[1:] if entry]
    print(json.dumps({"packages": _packages(folders), "distributions": _distributions()}))


def _packages(folders: list[pathlib.Path]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted(folder.glob("*/pulumi-plugin.json")):
            package = file.parent.name
            if package in found:
                continue
            try:
                version = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                version = ""
            found[package] = {
                "package": package,
                "version": version,
                "file": str(file),
                "plugin": json.loads(file.read_text("utf-8")),
            }
    return list(found.values())


def _distributions() -> list[dict[str, Any]]:
    installed: dict[str, dict[str, Any]] = {}
    required: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if not name:
            continue
        installed.setdefault(_normal(name), {"name": name, "version": distribution.version})
        for requirement in distribution.requires or []:
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            if match and "extra ==" not in requirement:
                required.add(_normal(match.group()))
    return [{**installed[key], "required": key in required} for key in sorted(installed)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
