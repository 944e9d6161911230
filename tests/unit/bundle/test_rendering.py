import io
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from ruamel.yaml import YAML

from portcullis.contract import load
from portcullis.contract.bundle import BundleError, bundle_zip, render_bundle
from portcullis.sandbox.apigee.runtime.conditions import parse_condition
from tests.unit.bundle.rendered import AUDIENCE, ISSUER, SOURCE, bundle, endpoints, parsed
from tests.unit.contract.edits import GOOD

CHANGES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).with_name("changes.yaml"))
WRITTEN = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "apiproxy").rglob("*") if path.is_file()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    return bundle(tmp_path)


def test_the_same_contract_gives_the_same_bytes(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert bundle_zip(bundle(tmp_path)) == bundle_zip(files)
    assert bundle_zip(dict(reversed(files.items()))) == bundle_zip(files)


def test_the_zip_holds_every_file_in_order_with_one_time_and_plain_permissions(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle_zip(files))) as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(files)
        assert {archive.read(entry) == files[entry.filename] for entry in entries} == {True}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}


@pytest.mark.parametrize("change", CHANGES, ids=[change["name"] for change in CHANGES])
def test_a_change_of_the_contract_changes_these_files_and_no_other(tmp_path: Path, change: dict[str, Any]) -> None:
    before, after = bundle(tmp_path), bundle(tmp_path, change["edits"])
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {f"apiproxy/{path}" for path in change["files"]}
    assert (bundle_zip(before) == bundle_zip(after)) == (not change["files"])


def test_generated_files_say_so_and_written_ones_do_not(files: dict[str, bytes]) -> None:
    for path, content in files.items():
        assert (b"Generated from gateway.yaml" in content) == (path not in WRITTEN), path
    assert set(files) > WRITTEN


def test_what_people_write_holds_nothing_of_the_contract(files: dict[str, bytes]) -> None:
    names = re.compile(rb"acme|orders|payments|storefront|treasurer")
    assert [path for path in WRITTEN if names.search(files[path])] == []


def test_neither_a_quota_nor_the_hash_of_the_contract_is_in_the_bundle(tmp_path: Path, files: dict[str, bytes]) -> None:
    contract = load(tmp_path / "gateway.yaml")
    everything = b"".join(files.values())
    assert contract.version_hash.encode() not in everything
    quota = parsed(files, "policies")["Q-Consumer"]
    assert quota.find("Allow") is None
    assert quota.find("UseQuotaConfigInAPIProduct").get("stepName") == "VA-Consumer"


def test_the_facts_of_the_stack_are_in_one_file(files: dict[str, bytes]) -> None:
    facts = dict(
        line.split("=", 1)
        for line in files["apiproxy/resources/properties/gateway.properties"].decode().splitlines()
        if not line.startswith("#")
    )
    assert facts["issuer"] == ISSUER
    assert facts["audience"] == AUDIENCE
    assert facts["environment"] == "test"
    assert facts["workload"] == "portcullis-edge/test"
    holders = [path for path, content in files.items() if ISSUER.encode() in content or AUDIENCE.encode() in content]
    assert holders == ["apiproxy/resources/properties/gateway.properties"]


def test_every_xml_file_is_well_formed_and_named_like_its_root(files: dict[str, bytes]) -> None:
    for path, content in files.items():
        if path.endswith(".xml"):
            assert etree.fromstring(content).get("name") == Path(path).stem, path


def test_every_policy_that_is_attached_exists_and_every_one_that_exists_is_attached(files: dict[str, bytes]) -> None:
    attached = {name.text for endpoint in endpoints(files).values() for name in endpoint.iterfind(".//Step/Name")}
    assert attached == set(parsed(files, "policies"))


def test_every_condition_can_be_read_in_one_way(files: dict[str, bytes]) -> None:
    conditions = [item.text for endpoint in endpoints(files).values() for item in endpoint.iter("Condition")]
    assert len(conditions) > 40
    for text in conditions:
        assert parse_condition(text).warnings == (), text


def test_a_parameter_of_a_path_stands_for_one_segment(files: dict[str, bytes]) -> None:
    proxy = endpoints(files)["default"]
    condition = parse_condition(proxy.findtext("Flows/Flow[@name='get-order']/Condition"))
    paths = {"/orders/A-17": True, "/orders/A-17/lines": False, "/orders": False, "/orders/": False, "/others/1": False}
    assert {path: condition({"request.verb": "GET", "proxy.pathsuffix": path}.get) for path in paths} == paths


def test_the_more_specific_path_comes_first(tmp_path: Path) -> None:
    general = '{method: POST, path: "/payments/{payment}/{what}", roles: [treasurer], backend: payments}'
    edit = ["      list-payments:", f"      any-refund: {general}\n      list-payments:"]
    proxy = endpoints(bundle(tmp_path, [edit]))["default"]
    names = [flow.get("name") for flow in proxy.iterfind("Flows/Flow")]
    assert names.index("refund-payment") < names.index("any-refund")


def test_another_method_on_a_known_path_is_told_which_it_takes(files: dict[str, bytes]) -> None:
    proxy = endpoints(files)["default"]
    asked = {"request.verb": "DELETE", "proxy.pathsuffix": "/orders/A-17"}
    matching = [
        flow
        for flow in proxy.iterfind("Flows/Flow")
        if flow.find("Condition") is None or parse_condition(flow.findtext("Condition"))(asked.get)
    ]
    assert [step.text for step in matching[0].iterfind("Request/Step/Name")] == [
        "AM-AllowedMethods",
        "RF-MethodNotAllowed",
    ]
    allowed = parsed(files, "policies")["AM-AllowedMethods"].findtext("AssignVariable/Value")
    assert YAML(typ="safe").load(allowed)[matching[0].get("name")] == "GET"


def test_a_request_that_matches_nothing_has_no_backend(files: dict[str, bytes]) -> None:
    proxy = endpoints(files)["default"]
    last_flow, last_route = proxy.findall("Flows/Flow")[-1], proxy.findall("RouteRule")[-1]
    assert last_flow.find("Condition") is None
    assert last_flow.findtext("Request/Step/Name") == "RF-OperationNotFound"
    assert last_route.find("TargetEndpoint") is None


def test_each_backend_is_a_target_server_with_the_timeouts_of_the_contract(files: dict[str, bytes]) -> None:
    for name, target in parsed(files, "targets").items():
        properties = {item.get("name"): item.text for item in target.iter("Property")}
        assert [server.get("name") for server in target.iter("Server")] == [name]
        assert properties["io.timeout.millis"] == "10000"
        assert properties["connect.timeout.millis"] == "3000"


def test_a_title_with_markup_in_it_stays_text(tmp_path: Path) -> None:
    descriptor = bundle(tmp_path, [["title: Acme Store API", 'title: "Acme <Store> & \\"API\\""']])[
        "apiproxy/acme-store.xml"
    ]
    assert etree.fromstring(descriptor).findtext("DisplayName") == 'Acme <Store> & "API"'


def copied(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE / "apiproxy", tmp_path / "source" / "apiproxy")
    shutil.copytree(SOURCE / "templates", tmp_path / "source" / "templates")
    return tmp_path / "source"


def test_hidden_files_stay_behind(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = copied(tmp_path)
    (source / "apiproxy" / ".DS_Store").write_bytes(b"x")
    (source / "apiproxy" / ".editor").mkdir()
    (source / "apiproxy" / ".editor" / "AM-Draft.xml").write_bytes(b"x")
    assert bundle(tmp_path, source=source) == files


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda source: shutil.rmtree(source / "apiproxy"), "hand-written part"),
        (lambda source: (source / "templates/targets/backend.xml.j2").unlink(), "backend.xml.j2 is not there"),
        (lambda source: (source / "apiproxy/policies/AM-Operation.xml").write_text("<a/>"), "remove it"),
        (lambda source: (source / "apiproxy/policies/AM-Link.xml").symlink_to("/dev/null"), "no plain file"),
        (lambda source: (source / "apiproxy/policies/AM-Big.xml").write_bytes(b" " * 1_000_001), "larger than"),
    ],
    ids=["no apiproxy", "no template", "a written file under a generated name", "a link", "a huge file"],
)
def test_a_folder_that_is_not_as_it_should_be_is_refused(tmp_path: Path, spoil: Any, said: str) -> None:
    source = copied(tmp_path)
    spoil(source)
    with pytest.raises(BundleError, match=said):
        bundle(tmp_path, source=source)


@pytest.mark.parametrize("value", ["https://a.example\nproblems=https://evil.example", " https://a.example", "a\x00b"])
def test_a_setting_cannot_write_a_line_of_its_own(tmp_path: Path, value: str) -> None:
    (tmp_path / "gateway.yaml").write_text(GOOD)
    with pytest.raises(BundleError, match="cannot be printed"):
        render_bundle(load(tmp_path / "gateway.yaml"), SOURCE, value, AUDIENCE, "test")


def run_module(tmp_path: Path, contract: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "gateway.yaml").write_text(contract)
    command = [sys.executable, "-m", "portcullis.contract.bundle", "--contract", str(tmp_path / "gateway.yaml")]
    command += ["--source", str(SOURCE), "--out", str(tmp_path / "out")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_module_writes_the_files_and_leaves_no_old_ones(tmp_path: Path) -> None:
    old = tmp_path / "out" / "apiproxy" / "targets" / "old.xml"
    old.parent.mkdir(parents=True)
    old.write_text("<old/>")
    assert run_module(tmp_path, GOOD).returncode == 0
    assert not old.exists()
    assert (tmp_path / "out" / "apiproxy" / "acme-store.xml").is_file()


def test_the_module_names_what_is_wrong_with_the_contract(tmp_path: Path) -> None:
    done = run_module(tmp_path, GOOD.replace("version: 1", "version: 2"))
    assert done.returncode == 1
    assert "gateway.yaml:" in done.stderr
    assert "Traceback" not in done.stderr
