"""The benchmark of the interpreter runs and says its ratios; which numbers they are is nobody's business here."""

from __future__ import annotations

import re

import pytest

from bench.apigee import CASES, main

NUMBER = r"\d+\.\d\d"


def test_a_tiny_run_prints_a_ratio_for_each_case_and_for_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "1", "--requests", "10", "--starts", "1"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    line = rf"^RATIO (\S+) +requests/s \(more is better\)  min ({NUMBER})  median ({NUMBER})  max ({NUMBER})$"
    found = re.findall(line, said, re.MULTILINE)
    assert [case for case, *_ in found] == [case.name for case in CASES]
    assert all(float(number) > 0 for _, *numbers in found for number in numbers)
    assert re.search(rf"^RATIO start +seconds \(less is better\) +{NUMBER}$", said, re.MULTILINE)


@pytest.mark.parametrize("option", ["--rounds", "--requests", "--starts"])
def test_a_number_out_of_bounds_is_refused(option: str) -> None:
    with pytest.raises(SystemExit):
        main([option, "0"])
