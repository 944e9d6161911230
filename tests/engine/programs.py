"""Small programs for the tests: shell scripts that stand for pulumi, go and python."""

from pathlib import Path


def write_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def fake_pulumi(path: Path, version: str) -> Path:
    return write_program(path, f'[ "$1" = version ] && echo "{version}"')


def fake_go(path: Path, *, version: str = "go1.26.0", builds: str = "v3.258.0", before: str = "") -> Path:
    """A `go` whose `build` writes a pulumi that says `builds`, and leaves a line in the file `builds` beside it."""
    return write_program(
        path,
        f"""
if [ "$1" = env ]; then echo "{version}"; exit 0; fi
echo build >> "$(dirname "$0")/builds"
{before}
while [ $# -gt 0 ]; do [ "$1" = -o ] && output=$2; shift; done
printf '#!/bin/sh\\necho {builds}\\n' > "$output"
chmod 755 "$output"
""",
    )


def times_built(go: Path) -> int:
    record = go.parent / "builds"
    return len(record.read_text().splitlines()) if record.exists() else 0
