"""What the management API writes into key value maps, policies read: in each scope."""

import pytest

from tests.sandbox.apigee_runtime.test_flows import connection, steps
from tests.sandbox.apigee_runtime.world import ENV, ORG, World, bundle


@pytest.mark.parametrize(
    ("scope", "owner"), [("organization", ORG), ("environment", ENV), ("apiproxy", f"{ORG}/apis/sample")]
)
async def test_a_policy_reads_the_map_of_its_scope(world: World, scope: str, owner: str) -> None:
    read = (
        f"<KeyValueMapOperations name='K' mapIdentifier='limits'><Scope>{scope}</Scope>"
        "<Get assignTo='private.found'><Key><Parameter>a</Parameter></Key></Get></KeyValueMapOperations>"
    )
    answer = (
        "<AssignMessage name='A'><AssignTo createNew='true' type='response'>response</AssignTo>"
        "<Set><Payload>{private.found}</Payload></Set></AssignMessage>"
    )
    proxy = steps("<PreFlow><Request>{K}{A}</Request></PreFlow>") + connection() + "<RouteRule name='n'/>"
    await world.deploy(bundle({"default": proxy}, policies={"K": read, "A": answer}))
    await world.ok("POST", f"{owner}/keyvaluemaps", {"name": "limits"})
    await world.ok("POST", f"{owner}/keyvaluemaps/limits/entries", {"name": "a", "value": "found it"})
    assert (await world.call()).text == "found it"
