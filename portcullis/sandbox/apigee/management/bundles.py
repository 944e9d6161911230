"""What the API tells about a bundle of a proxy or a shared flow: its parts by name, and the base paths it takes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

from lxml import etree
from lxml.etree import _Element as Element  # pyright: ignore[reportPrivateUsage]

PROXY_ROOT = "apiproxy/"
SHARED_FLOW_ROOT = "sharedflowbundle/"
_MAX_FILES = 2000
_MAX_UNPACKED_BYTES = 64 * 1024 * 1024


class BundleError(ValueError):
    """The upload is no bundle; the text says why."""


@dataclass(frozen=True)
class Contents:
    """The parts of a bundle, by name; `calls` are the shared flows that its FlowCallout policies call."""

    basepaths: tuple[str, ...]
    proxies: tuple[str, ...]
    targets: tuple[str, ...]
    policies: tuple[str, ...]
    resources: tuple[str, ...]
    target_servers: tuple[str, ...]
    shared_flows: tuple[str, ...]
    calls: tuple[str, ...]


def read(bundle: bytes, root: str = PROXY_ROOT) -> Contents:
    """List what is in a bundle, below the folder `root`.

    Raises:
        BundleError: it is no zip with that folder, or its XML cannot be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            _limit(archive)
            # What a desktop leaves beside a file (`._Name.xml`) is none of the bundle's.
            names = sorted(
                name
                for name in archive.namelist()
                if name.startswith(root) and not name.endswith("/") and "/." not in name
            )
            files = {name.removeprefix(root): archive.read(name) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as problem:
        raise BundleError(f"the upload is not a readable zip file: {problem}") from None
    if not files:
        raise BundleError(f"the zip file has no folder {root.rstrip('/')} at its root")
    proxies, targets = _documents(files, "proxies"), _documents(files, "targets")
    policies = _documents(files, "policies")
    return Contents(
        basepaths=tuple(text for root in proxies.values() for text in _texts(root, "HTTPProxyConnection/BasePath")),
        proxies=tuple(proxies),
        targets=tuple(targets),
        policies=tuple(policies),
        resources=tuple(_resources(files)),
        target_servers=tuple(
            dict.fromkeys(str(server.get("name")) for root in targets.values() for server in root.iter("Server"))
        ),
        shared_flows=tuple(_names(files, "sharedflows", ".xml")),
        calls=tuple(dict.fromkeys(text for root in policies.values() for text in _texts(root, "SharedFlowBundle"))),
    )


def _limit(archive: zipfile.ZipFile) -> None:
    infos = archive.infolist()
    if len(infos) > _MAX_FILES or sum(info.file_size for info in infos) > _MAX_UNPACKED_BYTES:
        raise BundleError(f"the bundle holds more than {_MAX_FILES} files or {_MAX_UNPACKED_BYTES} bytes unpacked")


def _names(files: dict[str, bytes], folder: str, ending: str) -> list[str]:
    prefix = f"{folder}/"
    return [
        name.removeprefix(prefix).removesuffix(ending)
        for name in files
        if name.startswith(prefix) and name.endswith(ending)
    ]


def _documents(files: dict[str, bytes], folder: str) -> dict[str, Element]:
    return {name: _parse(files[f"{folder}/{name}.xml"], name) for name in _names(files, folder, ".xml")}


def _parse(content: bytes, name: str) -> Element:
    # Nothing outside the document is ever read for it.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as problem:
        raise BundleError(f"{name}.xml is not well-formed: {problem}") from None


def _texts(root: Element, path: str) -> list[str]:
    return [(element.text or "").strip() for element in root.findall(path)]


def _resources(files: dict[str, bytes]) -> list[str]:
    """Resources as the API writes them: `jsc://script.js`."""
    found = (name.removeprefix("resources/") for name in files if name.startswith("resources/"))
    return ["{}://{}".format(*name.split("/", 1)) for name in found if "/" in name]
