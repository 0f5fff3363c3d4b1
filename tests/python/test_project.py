"""The project itself: its layers, its ban on clocks, its descriptions."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.steps.project import ROOT

# What each layer may read. A layer reads earlier ones only, and marts never read staging.
MAY_READ = {
    "seeds": set(),
    "staging": {"sources", "staging"},
    "conformed": {"staging", "conformed"},
    "features": {"conformed", "features"},
    "segmentations": {"features", "segmentations"},
    "history": {"features", "segmentations", "history"},
    "marts": {"conformed", "features", "segmentations", "history", "marts", "sources"},
    # Checks hold what was delivered against what the layers made of it.
    "checks": {"seeds", "sources", "conformed", "features", "marts", "checks"},
}
CLOCK = re.compile(
    r"\b(current_date|current_timestamp|current_time|localtime|localtimestamp|run_started_at)\b"
    r"|\b(now|today|getdate|get_current_timestamp|utcnow|unix_timestamp)\s*\(",
    re.IGNORECASE,
)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    target = tmp_path_factory.mktemp("parsed")
    subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "parse", "--target-path", str(target), "--write-json", "--quiet"],
        cwd=ROOT,
        check=True,
    )
    return json.loads((target / "manifest.json").read_text())


def layer_of(unique_id: str, manifest: dict) -> str:
    if unique_id.startswith("source."):
        return "sources"
    if unique_id.startswith("seed."):
        return "seeds"
    return manifest["nodes"][unique_id]["fqn"][1]


def test_layers_read_earlier_layers_only(manifest: dict) -> None:
    violations = []
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] != "model":
            continue
        layer = layer_of(unique_id, manifest)
        for parent in node["depends_on"]["nodes"]:
            if layer_of(parent, manifest) not in MAY_READ[layer]:
                violations.append(f"{unique_id} reads {parent}")
    assert violations == []


def test_models_name_what_they_read_on_some_days_only(manifest: dict) -> None:
    """A ref in a branch that is not taken while dbt parses stops the run on the day that takes it."""
    unnamed = []
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and node["original_file_path"].endswith(".sql"):
            written = set(re.findall(r"\bref\('(\w+)'\)", (ROOT / node["original_file_path"]).read_text()))
            known = {parent.split(".")[2] for parent in node["depends_on"]["nodes"]}
            unnamed += [f"{unique_id} reads {name}" for name in sorted(written - known)]
    assert unnamed == []


def test_no_model_reads_the_clock() -> None:
    found = []
    for folder in ("models", "macros"):
        for path in sorted((ROOT / folder).rglob("*.sql")):
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if CLOCK.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


def test_every_model_and_every_column_of_a_contract_is_described(manifest: dict) -> None:
    missing = []
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        if not node["description"].strip():
            missing.append(node["name"])
        missing += [f"{node['name']}.{name}" for name, column in node["columns"].items() if not column["description"]]
    assert missing == []


def test_every_macro_says_what_it_is() -> None:
    for path in sorted((ROOT / "macros").rglob("*.sql")):
        if path.name != "generate_schema_name.sql":
            assert path.read_text().startswith("{#-"), path


def test_marts_enforce_their_contracts(manifest: dict) -> None:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["fqn"][1] in ("marts", "conformed"):
            assert node["contract"]["enforced"], node["name"]


def test_every_case_of_the_reliability_page_has_its_tests() -> None:
    rows = re.findall(
        r"^\| ([ABDE]\d+) \|.*\| ([^|]+) \|$", (ROOT / "docs" / "reliability.md").read_text(), re.MULTILINE
    )
    listed = {
        f"{part}{number}" for part, last in (("A", 12), ("B", 9), ("D", 8), ("E", 9)) for number in range(1, last + 1)
    }
    assert {case for case, _ in rows} == listed
    for case, files in rows:
        named = re.findall(r"`([^`]+)`", files)
        assert named, case
        for file in named:
            assert re.search(rf"def test_(?:\w\d+_)*{case.lower()}_", (ROOT / "tests" / file).read_text()), (case, file)


def test_benchmarks_know_the_models_that_there_are() -> None:
    from benchmarks.daily import FROM_LINES, MEASURES, ONLY_OURS, READS_SEGMENTS

    models = {path.stem for path in (ROOT / "models").rglob("*") if path.suffix in (".sql", ".py")}
    assert {*FROM_LINES, *MEASURES, *ONLY_OURS, *READS_SEGMENTS} <= models


READERS = {
    "report": ("flows/report", r'"((?:dim|fct|ops)_\w+|customer_segments)"'),
    "notifications": ("flows/steps/notify.py", r"\bmarts\.(\w+)"),
    "rule_commands": ("flows/rules", r"\bmarts\.(\w+)"),
}


@pytest.mark.parametrize("exposure", READERS)
def test_exposures_name_the_marts_that_are_read(manifest: dict, exposure: str) -> None:
    place, pattern = READERS[exposure]
    files = sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
    read = {name for file in files for name in re.findall(pattern, file.read_text())}
    declared = manifest["exposures"][f"exposure.tessera.{exposure}"]["depends_on"]["nodes"]
    assert {node.removeprefix("model.tessera.") for node in declared} == read


def test_marts_alone_are_public_and_every_model_has_an_owner(manifest: dict) -> None:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            assert (node["access"] == "public") == (node["fqn"][1] == "marts"), node["name"]
            assert node["config"]["group"] in ("inputs", "segments", "marts"), node["name"]
