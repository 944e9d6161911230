"""A small proxy bundle."""

from __future__ import annotations

import io
import zipfile

PROXY = """<ProxyEndpoint name="default"><HTTPProxyConnection><BasePath>{basepath}</BasePath></HTTPProxyConnection>
<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>"""
TARGET = """<TargetEndpoint name="default"><HTTPTargetConnection><LoadBalancer><Server name="orders"/></LoadBalancer>
</HTTPTargetConnection></TargetEndpoint>"""


def make_bundle(name: str, basepath: str = "/", description: str = "", extra: dict[str, str] | None = None) -> bytes:
    files = {
        f"apiproxy/{name}.xml": f"<APIProxy name='{name}'><Description>{description}</Description></APIProxy>",
        "apiproxy/proxies/default.xml": PROXY.format(basepath=basepath),
        "apiproxy/targets/default.xml": TARGET,
        "apiproxy/policies/AM-headers.xml": "<AssignMessage name='AM-headers'/>",
        "apiproxy/resources/jsc/route.js": "// nothing",
        **(extra or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()
