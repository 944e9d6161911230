"""The gcp plugin, and the emulated Apigee API that it talks to."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.providers.gcp import GCP
from portcullis.sandbox.apigee.management import create_app
from portcullis.sandbox.clock import MovableClock
from portcullis.sandbox.store import Store
from tests.providers.driver import TOKEN, Driver, Recorder, plugin, secret, served
from tests.sandbox.apigee_management.bundle import make_bundle


@dataclass
class Api:
    """The emulated API: where it is, what it was asked, what it remembers, its clock."""

    url: str
    recorder: Recorder
    store: Store
    clock: MovableClock


@pytest.fixture(scope="module")
def running_api() -> Generator[Api]:
    store, clock = Store(), MovableClock(1_780_000_000)

    async def on_change() -> None:
        clock.advance(1)

    recorder = Recorder(create_app(store, lambda _bundle: [], on_change, clock=clock))
    with served(recorder) as url:
        yield Api(url, recorder, store, clock)


@pytest.fixture
def api(running_api: Api) -> Api:
    running_api.store.clear()
    running_api.recorder.requests.clear()
    running_api.recorder.failures.clear()
    return running_api


@pytest.fixture
def driver(api: Api) -> Generator[Driver]:
    with plugin(GCP) as found:
        found.configure(config(api))
        yield found


def config(api: Api) -> dict[str, object]:
    return {
        "project": "acme",
        "accessToken": secret(TOKEN),
        "apigeeCustomEndpoint": f"{api.url}/v1/",
        "skipRegionValidation": "true",
    }


@pytest.fixture(autouse=True)
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with two bundles of one proxy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.zip").write_bytes(make_bundle("store", basepath="/store"))
    (tmp_path / "second.zip").write_bytes(make_bundle("store", basepath="/store", description="another"))
    return tmp_path
