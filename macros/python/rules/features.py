"""The features that rules may name, as the contract of customer_features declares them, and what all values keep to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from macros.python.rules.clauses import WrongClause, parse_clause
from macros.python.rules.mistakes import Mistakes, WrongDefinitions, did_you_mean
from macros.python.rules.tree import Clause, Feature

CONTRACT = Path("models/features/_features.yml")
KEYS = ("as_of_date", "customer_id")
DOMAIN_KEYS = ("minimum", "maximum", "nullable", "optional", "at_most", "only_when", "exactly_when", "age_of")


@dataclass(frozen=True)
class Domain:
    """What all values of a feature keep to.

    Attributes:
        feature: whose values.
        is_nullable: whether a value may be missing.
        is_optional: whether it is missing only where no source delivers it, and 0 where there is nothing.
        bounds: clauses about it that hold of every value.
        at_most: features that are never below it.
        only_when: the clause without which it is missing or 0.
        exactly_when: the clause that holds exactly where it is neither missing nor 0.
        age_of: the date whose age in days it is.
    """

    feature: Feature
    is_nullable: bool = True
    is_optional: bool = False
    bounds: tuple[Clause, ...] = ()
    at_most: tuple[str, ...] = ()
    only_when: Clause | None = None
    exactly_when: Clause | None = None
    age_of: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """The features of a checkout.

    Attributes:
        features: all that rules may name: the columns, and an age in days of every date that has no column for it.
        columns: data type and meta of each column of customer_features, by name.
    """

    features: Mapping[str, Feature]
    columns: Mapping[str, Mapping[str, Any]]

    @property
    def profiled(self) -> list[str]:
        """The numbers that profiles are made of: an age that is a column under another name counts once."""
        ages = (column["meta"].get("domain", {}).get("age_of") for column in self.columns.values())
        named = {age_name(date) for date in ages if date}
        return [
            name
            for name, feature in self.features.items()
            if feature.kind == "number" and (name in self.columns or name not in named)
        ]

    @property
    def attributes(self) -> list[str]:
        """The features that divide customers into groups of equal values: texts and truths."""
        return [name for name, feature in self.features.items() if feature.kind in ("text", "boolean")]

    @property
    def rests_on(self) -> dict[str, str]:
        """The optional column that a feature needs, as `<table>.<column>`, by the feature's name."""
        metas = {name: column["meta"] for name, column in self.columns.items()}
        return {name: meta["rests_on"] for name, meta in metas.items() if "rests_on" in meta}

    def domains(self) -> dict[str, Domain]:
        """The domain of every feature.

        Raises:
            WrongDefinitions: declarations are wrong; the message has all mistakes.
        """
        mistakes, declared = Mistakes(), self._domains_declared()
        # A domain may name protected features: it decides nothing.
        features = {name: _unprotected(feature) for name, feature in self.features.items()}
        found = {name: _domain(features[name], declared[name], features, mistakes) for name in features}
        mistakes.stop()
        return found

    def _domains_declared(self) -> dict[str, Mapping[str, Any]]:
        return {
            name: self.columns[name]["meta"].get("domain", {}) if name in self.columns else {"age_of": feature.age_of}
            for name, feature in self.features.items()
        }


def read_features(root: Path) -> Catalogue:
    """The features that the contract of customer_features declares in a checkout.

    Raises:
        WrongDefinitions: the file is not YAML.
    """
    return _read((root / CONTRACT).read_text())


@lru_cache(maxsize=8)
def _read(text: str) -> Catalogue:
    try:
        content = yaml.load(text, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise WrongDefinitions(f"{CONTRACT} is not YAML: {error}") from error
    (described,) = (model for model in content["models"] if model["name"] == "customer_features")
    return catalogue_of(
        {
            column["name"]: {
                "data_type": column["data_type"],
                "meta": column.get("config", {}).get("meta", {}),
            }
            for column in described["columns"]
        }
    )


def catalogue_of(columns: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """The features of some columns, each with data_type and meta."""
    features: dict[str, Feature] = {}
    for name, column in columns.items():
        if name in KEYS:
            continue
        is_protected = bool(column["meta"].get("protected", False))
        features[name] = Feature(name, column["data_type"].lower(), is_protected)
        age = age_name(name)
        if features[name].kind == "date" and age not in columns:
            features[age] = Feature(age, "bigint", is_protected, age_of=name)
    return Catalogue(features, columns)


def age_name(date: str) -> str:
    """What the age of a date is called."""
    return f"days_since_{date.removesuffix('_date')}"


def _unprotected(feature: Feature) -> Feature:
    return Feature(feature.name, feature.data_type, age_of=feature.age_of)


def _domain(
    feature: Feature, declared: Mapping[str, Any], features: Mapping[str, Feature], mistakes: Mistakes
) -> Domain:
    where = f"Feature {feature.name}, domain"
    for key in declared:
        if key not in DOMAIN_KEYS:
            mistakes.add(where, f"unknown key '{key}'. {did_you_mean(key, DOMAIN_KEYS)}")
    nullable, optional = declared.get("nullable", True), declared.get("optional", False)
    kind = feature.kind
    if not isinstance(nullable, bool):
        mistakes.add(where, f"nullable is '{nullable}'; it can be true or false")
    elif not isinstance(optional, bool):
        mistakes.add(where, f"optional is '{optional}'; it can be true or false")
    elif optional and (kind != "number" or not nullable):
        what = "never missing" if kind == "number" else f"a {kind}"
        mistakes.add(where, f"optional is for numbers that may be missing; this is {what}")
    elif kind != "number" and not nullable and ("only_when" in declared or "exactly_when" in declared):
        mistakes.add(
            where,
            f"only_when and exactly_when say when it is missing or 0, but it is never missing, and a {kind} is never 0",
        )

    def clause(text: Any, key: str) -> Clause | None:
        try:
            parsed = parse_clause(str(text), features)
        except WrongClause as wrong:
            mistakes.add(f"{where}, {key}, clause '{text}'", str(wrong))
            return None
        if parsed.percentiles:
            mistakes.add(f"{where}, {key}, clause '{text}'", "a percentile differs from day to day")
        return parsed

    limits = {"minimum": ">=", "maximum": "<="}
    bounds = [clause(f"{feature.name} {limits[key]} {declared[key]}", key) for key in limits if key in declared]
    above = declared.get("at_most", [])
    above = [above] if isinstance(above, str) else above
    age_of = declared.get("age_of")
    for other in [*above, *([age_of] if age_of else [])]:
        if other not in features:
            mistakes.add(where, f"there is no feature '{other}'. {did_you_mean(other, features)}")
    for other in (features[name] for name in above if name in features):
        if kind not in ("number", "date") or other.kind != kind:
            mistakes.add(
                f"{where}, at_most",
                f"'{feature.name}' ({feature.data_type}) and '{other.name}' ({other.data_type}) have no common order",
            )
    if age_of in features and (kind != "number" or features[age_of].kind != "date"):
        mistakes.add(
            where,
            f"age_of says that a number is the days since a date, but '{age_of}' is of type "
            f"{features[age_of].data_type}",
        )
    return Domain(
        feature=feature,
        is_nullable=nullable is not False,
        is_optional=optional is True,
        bounds=tuple(bound for bound in bounds if bound),
        at_most=tuple(above),
        only_when=clause(declared["only_when"], "only_when") if "only_when" in declared else None,
        exactly_when=clause(declared["exactly_when"], "exactly_when") if "exactly_when" in declared else None,
        age_of=age_of,
    )
