"""The resource that waits for a revision, against the sandbox's own Apigee API over HTTP."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from components import ready_revision
from components.ready_revision import ReadyRevisionProvider
from portcullis.deployed.revision import RevisionNotReadyError
from portcullis.sandbox.apigee import management
from portcullis.sandbox.rollout import Rollout
from portcullis.sandbox.store import Store
from tests.providers.driver import served

# Numbers reach a dynamic provider as floats.
PROPS = {"organization": "acme", "environment": "prod", "proxy": "store", "revision": 7.0}
SLOW, BROKEN, WELL = Rollout(seconds=10**9), Rollout(fails=True), Rollout()


class Api:
    """The API with one deployment; `rollouts` are taken one for each look, the last again and again."""

    def __init__(self) -> None:
        self.rollouts, self.looks, self.url = [WELL], 0, ""
        store = Store()
        store.put("apigee.organizations", "acme", {"name": "acme"})
        store.put("apigee.environments", "acme/prod", {"name": "prod"})
        store.put("apigee.apis", "acme/store", {"name": "store"})
        store.put("apigee.revisions", "acme/store/7", {"name": "store", "revision": "7", "basepaths": ["/"]})
        deployment = {"environment": "prod", "apiProxy": "store", "revision": "7", "_basepaths": ["/"]}
        store.put("apigee.deployments", "acme/prod/store", {**deployment, "deployStartTime": "1700000000000"})
        self.app = management.create_app(store, lambda _: [], self._changed, rollout=self._rollout)

    async def _changed(self) -> None:
        pass

    def _rollout(self) -> Rollout:
        self.looks += 1
        return self.rollouts.pop(0) if len(self.rollouts) > 1 else self.rollouts[0]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    passed = iter(range(10**6))
    time = SimpleNamespace(monotonic=lambda: next(passed), sleep=lambda _: None)
    monkeypatch.setattr(ready_revision, "time", time)
    api = Api()
    with served(api.app) as url:
        api.url = url
        yield api


def provider(api: Api) -> ReadyRevisionProvider:
    settings = {"gcp:apigeeCustomEndpoint": f"{api.url}/v1/", "gcp:accessToken": "the-token"}
    made = ReadyRevisionProvider()
    made.configure(ConfigureRequest(Config(settings, "portcullis")))
    return made


def test_it_is_made_when_the_revision_is_ready(api: Api) -> None:
    api.rollouts = [SLOW, SLOW, WELL]
    assert provider(api).create(PROPS).outs == PROPS
    assert api.looks == 3


def test_a_new_revision_is_waited_for(api: Api) -> None:
    api.rollouts = [SLOW, WELL]
    assert provider(api).update("ready", {**PROPS, "revision": 6.0}, PROPS).outs == PROPS
    assert api.looks == 2


def test_a_revision_that_fails_stops_the_update_with_the_reason(api: Api) -> None:
    api.rollouts = [SLOW, BROKEN]
    with pytest.raises(RevisionNotReadyError, match="could not load the revision") as problem:
        provider(api).create(PROPS)
    assert "the-token" not in str(problem.value)


def test_nothing_secret_is_among_its_inputs_and_outputs(api: Api) -> None:
    assert "the-token" not in str(provider(api).create(PROPS).outs)
