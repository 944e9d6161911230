"""When a cron expression is due."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portcullis.sandbox.cloudflare.edge.cron import Cron, CronError

CASES = YAML(typ="safe").load(Path(__file__).with_name("crons.yaml"))


@pytest.mark.parametrize("case", CASES["due"], ids=lambda case: f"{case['cron']} at {case['at']}")
def test_an_expression_is_due_in_the_minutes_it_names(case: dict[str, Any]) -> None:
    moment = datetime.fromisoformat(case["at"]).replace(tzinfo=UTC)
    assert Cron.parse(case["cron"]).due(moment) is case["due"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["cron"] or "empty")
def test_a_wrong_expression_is_refused_by_the_name_of_its_field(case: dict[str, Any]) -> None:
    with pytest.raises(CronError, match=case["names"]):
        Cron.parse(case["cron"])
