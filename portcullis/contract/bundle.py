"""The Apigee proxy as files and as the zip that Apigee takes: hand-written policies plus what the contract generates.

`apigee_bundle/apiproxy/` holds what people write. `apigee_bundle/templates/` holds Jinja templates of the files that
depend on the contract; each rendered file says so in its second line. Neither a quota nor the contract's hash is in
the bundle: a quota lives in its API product alone, and the hash comes with each verified token, so that changing a
quota deploys no new revision of the proxy.

`python -m portcullis.contract.bundle --out FOLDER` writes the files of gateway.yaml, for the linter and for reviewers.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import jinja2

from portcullis.contract.bundle_values import Target, bundle_values
from portcullis.contract.loading import load
from portcullis.contract.model import Contract
from portcullis.contract.problem import ContractError

GENERATED: Final = "Generated from gateway.yaml and {template}. Do not edit."
MAX_FILE_BYTES: Final = 1_000_000
"""A larger file in `apiproxy/` is refused: Apigee takes bundles of a few megabytes, and this one needs kilobytes."""
# The earliest time a zip can hold: with it, the same files give the same bytes.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FIXED: Final = {
    "proxies/default.xml": "apiproxy/proxies/default.xml",
    "policies/AM-AllowedMethods.xml": "apiproxy/policies/AM-AllowedMethods.xml",
    "policies/AM-Operation.xml": "apiproxy/policies/AM-Operation.xml",
    "policies/KV-SigningKey.xml": "apiproxy/policies/KV-SigningKey.xml",
    "resources/properties/gateway.properties": "apiproxy/resources/properties/gateway.properties",
}
# Rendered only where the contract asks for what they do: Apigee would deploy policies that no flow runs.
_WHERE_ASKED: Final = {
    "cors": ("policies/AM-PageOrigin.xml", "policies/AM-PageAccess.xml"),
    "sizes": ("policies/RF-RequestTooLarge.xml",),
    "json_bodies": ("policies/RF-UnsupportedMediaType.xml",),
    "query_patterns": ("policies/RF-InvalidRequest.xml",),
    "caching": (
        "policies/AM-CacheKey.xml",
        "policies/AM-CachePerSubject.xml",
        "policies/AM-CachePerConsumer.xml",
        "policies/AM-CachePerEveryone.xml",
        "policies/RC-Answer.xml",
    ),
}


class BundleError(Exception):
    """The folder of the bundle is not as it should be; the text says what is wrong and where."""


def render_bundle(
    contract: Contract, source: Path, internal_issuer: str, internal_audience: str, environment: str
) -> dict[str, bytes]:
    """Return the files of the proxy, by their path in the zip, sorted by path.

    `source` is the folder that holds `apiproxy/` and `templates/`; `internal_issuer` and `internal_audience` are
    `iss` and `aud` of the internal token; `environment` is the stack's name, which the audit line shows and the
    token's `req_wl` must carry. Raises `BundleError` where a file is missing, too large, or in both folders.
    """
    values = bundle_values(contract, internal_issuer, internal_audience, environment)
    files = _written(source / "apiproxy")
    for path, content in _generated(contract, source / "templates", values).items():
        if path in files:
            raise BundleError(f"{source / path} would hide the file generated of that name: remove it")
        files[path] = content
    return dict(sorted(files.items()))


def bundle_zip(files: dict[str, bytes]) -> bytes:
    """Return the files as a zip, the same bytes for the same files: sorted names, times of 1980, plain permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _EPOCH)
            # Stored, since compressors differ from one zlib to the next; made "on Unix", since the default differs too.
            entry.compress_type = zipfile.ZIP_STORED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _written(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise BundleError(f"{folder} is not there: it holds the hand-written part of the proxy")
    files: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        below = file.relative_to(folder)
        if any(part.startswith(".") for part in below.parts) or file.is_dir():
            continue
        if file.is_symlink() or not file.is_file():
            raise BundleError(f"{file} is no plain file: only those go into the bundle")
        if file.stat().st_size > MAX_FILE_BYTES:
            raise BundleError(f"{file} is larger than {MAX_FILE_BYTES} bytes: a proxy has no such file")
        files[(Path("apiproxy") / below).as_posix()] = file.read_bytes()
    return files


def _generated(contract: Contract, templates: Path, values: dict[str, Any]) -> dict[str, bytes]:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=jinja2.select_autoescape(enabled_extensions=("xml.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["property"] = _property

    def render(template: str, **more: Any) -> bytes:
        name = f"{template}.j2"
        note = GENERATED.format(template=f"apigee_bundle/templates/{name}")
        try:
            return environment.get_template(name).render(**values, **more, generated=note).encode()
        except jinja2.TemplateNotFound as error:
            raise BundleError(f"{templates / (error.name or name)} is not there: it is a part of the proxy") from None

    files = {path: render(template) for template, path in _FIXED.items()}
    for asked, paths in _WHERE_ASKED.items():
        files |= {f"apiproxy/{path}": render(path) for path in paths if values[asked]}
    files[f"apiproxy/{contract.api.name}.xml"] = render("descriptor.xml")
    targets: list[Target] = values["backends"]
    for target in targets:
        files[f"apiproxy/targets/{target.name}.xml"] = render("targets/backend.xml", backend=target)
    for verifier in values["verifiers"]:
        files[f"apiproxy/policies/{verifier.policy}.xml"] = render(
            "policies/JWT-VerifyEdgeToken.xml", verifier=verifier
        )
    for protection in values["protections"]:
        for policy in protection.policies:
            template = f"policies/{policy.removesuffix(protection.name)}Protection.xml"
            files[f"apiproxy/policies/{policy}.xml"] = render(template, protection=protection)
    return files


def _property(value: str) -> str:
    """A value of a Java properties file: backslashes are escapes there, and a line ends the value."""
    if not value.isprintable() or value != value.strip():
        raise BundleError("a setting of the proxy has spaces around it or characters that cannot be printed")
    return value.replace("\\", "\\\\")


def _main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m portcullis.contract.bundle", description=__doc__)
    parser.add_argument("--contract", type=Path, default=Path("gateway.yaml"))
    parser.add_argument("--source", type=Path, default=Path("apigee_bundle"))
    parser.add_argument("--out", type=Path, required=True, help="a folder; its apiproxy/ is written anew")
    options = parser.parse_args(arguments)
    try:
        files = render_bundle(
            load(options.contract), options.source, "https://issuer.example", "https://audience.example", "review"
        )
    except (BundleError, ContractError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    shutil.rmtree(options.out / "apiproxy", ignore_errors=True)
    for path, content in files.items():
        target = options.out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
