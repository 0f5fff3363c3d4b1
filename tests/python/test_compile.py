"""flows.compile: what it writes, what it removes, and that nothing is written of definitions with mistakes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkouts import SEGMENTATION, called, copy_project, copy_rules
from shop import edited

from flows.compile import compile_rules
from flows.rules.definitions import RuleError
from macros.python.rules.compiled import CUSTOMERS, DATA, EXPLANATIONS, PROPERTIES, SCHEMA
from macros.python.rules.definitions import FOLDER


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_rules(tmp_path)


def texts(checkout: Path) -> dict[str, str]:
    """Every file of a checkout."""
    return {str(path.relative_to(checkout)): path.read_text() for path in checkout.rglob("*") if path.is_file()}


def models_in(file: Path) -> dict[str, Mapping[str, Any]]:
    """The models that properties describe, by name."""
    return {model["name"]: model for model in yaml.safe_load(file.read_text())["models"]}


def columns_of_customers(checkout: Path) -> list[str]:
    """The columns of dim_customers that are segmentations."""
    model = models_in(checkout / CUSTOMERS)["dim_customers"]
    return [column["name"] for column in model["columns"] if column["name"].startswith("seg_")]


def changed_by(checkout: Path, *, is_check: bool = False) -> dict[str, str]:
    """What compiling says of each file."""
    return dict(re.fullmatch(r"(\S+) (.+)", line).groups() for line in compile_rules(checkout, is_check))


def test_a_new_file_becomes_a_model_with_a_contract_and_a_column(checkout: Path) -> None:
    (checkout / FOLDER / "seg_new.yml").write_text(
        f"label: Newest\nstatus: active\ndata_tests: [{{unique: {{column_name: customer_id}}}}]\n{SEGMENTATION}"
    )
    stale = changed_by(checkout, is_check=True)
    assert stale["models/segmentations/seg_new.sql"] == "is stale"
    assert not (checkout / FOLDER / "seg_new.sql").exists()

    assert list(changed_by(checkout)) == list(stale)
    model = (checkout / FOLDER / "seg_new.sql").read_text()
    assert "when customer_features.orders_30d > 1 then 'a'" in model
    assert "-- Orders." in model
    assert "else 'b'" in model
    described = models_in(checkout / PROPERTIES)["seg_new"]
    assert described["config"] == {
        "contract": {"enforced": True},
        "meta": {"label": "Newest", "owner": "a@example.com", "status": "active"},
    }
    assert described["data_tests"] == [{"unique": {"column_name": "customer_id"}}]
    assert {"name": "segment", "data_type": "varchar", "description": "The first segment whose rule holds."} in (
        described["columns"]
    )
    assert "seg_new" in columns_of_customers(checkout)
    assert '"name": "seg_new"' in (checkout / DATA).read_text()
    assert "seg_new" in (checkout / EXPLANATIONS).read_text()
    assert compile_rules(checkout, is_check=True) == []


@pytest.mark.parametrize("way", ["retired", "deleted"])
def test_what_is_no_longer_built_leaves_nothing_behind(checkout: Path, way: str) -> None:
    file = checkout / FOLDER / "seg_deals.yml"
    if way == "retired":
        edited(file, "status: active", "status: retired")
    else:
        file.unlink()
    model = file.with_suffix(".sql")
    assert changed_by(checkout, is_check=True)["models/segmentations/seg_deals.sql"] == "has no YAML"
    assert model.exists()
    assert changed_by(checkout)["models/segmentations/seg_deals.sql"] == "removed"
    assert not model.exists()
    assert "seg_deals" not in models_in(checkout / PROPERTIES)
    assert "seg_deals" not in columns_of_customers(checkout)
    named = [name for name, text in texts(checkout).items() if "ref('seg_deals')" in text or "'seg_deals' as" in text]
    assert named == []
    assert compile_rules(checkout, is_check=True) == []


@pytest.mark.parametrize("way", ["retired", "deleted"])
def test_without_any_segmentation_nothing_is_written(checkout: Path, way: str) -> None:
    """There would be models without a query."""
    for file in (checkout / FOLDER).glob("seg_*.yml"):
        file.unlink()
    if way == "retired":
        (checkout / FOLDER / "seg_old.yml").write_text(f"status: retired\n{SEGMENTATION}")
    before = texts(checkout)
    with pytest.raises(RuleError, match="models/segmentations: no segmentation is active"):
        compile_rules(checkout)
    assert texts(checkout) == before


def test_a_new_feature_is_compiled_too(checkout: Path) -> None:
    contract = checkout / "models/features/_features.yml"
    edited(
        contract, "- name: orders_30d\n", "- name: visits_30d\n        data_type: integer\n      - name: orders_30d\n"
    )
    assert set(changed_by(checkout)) == {str(DATA), str(SCHEMA)}
    assert '"visits_30d"' in (checkout / DATA).read_text()


def test_a_schema_that_was_edited_by_hand_is_written_again(checkout: Path) -> None:
    edited(checkout / SCHEMA, "lower case letters", "letters")
    assert changed_by(checkout, is_check=True) == {str(SCHEMA): "is stale"}


def test_the_command_names_what_is_stale_and_ends_with_1(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    done = called(project, "flows.compile", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Everything is compiled.\n", "")

    edited(project / FOLDER / "seg_lifecycle.yml", "days_since_last_order > 90", "days_since_last_order > 120")
    done = called(project, "flows.compile", "--check")
    assert done.returncode == 1
    assert "models/segmentations/seg_lifecycle.sql is stale\n" in done.stdout
    assert done.stderr == "Run `python -m flows.compile` and commit what it writes.\n"
    assert "> 90" in (project / FOLDER / "seg_lifecycle.sql").read_text()

    done = called(project, "flows.compile")
    assert done.returncode == 0
    assert "models/segmentations/seg_lifecycle.sql written\n" in done.stdout
    assert "> 120" in (project / FOLDER / "seg_lifecycle.sql").read_text()

    edited(project / FOLDER / "seg_lifecycle.yml", "days_since_last_order > 120", "days_since_last_ordr > 120")
    done = called(project, "flows.compile", "--check")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Stopped: Segmentation seg_lifecycle, segment churned, clause 'days_since_last_ordr > 120': there is no "
        "feature 'days_since_last_ordr'. Did you mean 'days_since_last_order'?\n"
    )
