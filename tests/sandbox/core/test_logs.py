"""What the log services keep."""

import stat
from pathlib import Path

import pytest

from portcullis.sandbox.logs import MAX_LINE_BYTES, LogSink


@pytest.mark.parametrize("in_file", [True, False], ids=["in a file", "in memory"])
def test_lines_are_found_by_their_trace(in_file: bool, tmp_path: Path) -> None:
    logs = LogSink(tmp_path / "audit.jsonl" if in_file else None)
    logs.write("edge", '{"hop": "edge", "trace_id": "a"}')
    logs.write("apigee", '{"hop": "apigee", "trace_id": "a"}')
    logs.write("edge", '{"hop": "edge", "trace_id": "b"}')
    assert [entry["hop"] for entry in logs.entries("a")] == ["edge", "apigee"]
    assert len(logs.entries()) == 3
    logs.clear()
    assert logs.entries() == []


@pytest.mark.parametrize("line", ["not json", '"a text"', "[1]", f'{{"a": "{"x" * MAX_LINE_BYTES}"}}'])
def test_what_is_no_line_is_dropped_and_counted(line: str) -> None:
    logs = LogSink()
    logs.write("edge", line)
    assert logs.entries() == []
    assert logs.dropped == 1


def test_a_line_break_in_a_value_makes_no_second_line(tmp_path: Path) -> None:
    logs = LogSink(tmp_path / "audit.jsonl")
    logs.write("edge", '{"route": "a\\nb"}')
    assert logs.entries() == [{"route": "a\nb"}]


def test_the_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    LogSink(tmp_path / "audit.jsonl")
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600
