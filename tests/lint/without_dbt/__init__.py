"""What models and tests call, for sqlfluff, which reads them without dbt.

dbt would render a macro to hundreds of lines of which none is judged, since nobody wrote them in the model. Here a
macro gives its own name, as if it were a column, and those below give what can be in their place.
"""

import re
from pathlib import Path


class Name:
    """A name that gives itself, whatever is done with it; it is a list of itself, and true."""

    # Jinja's sandbox calls what says that it is safe.
    unsafe_callable = alters_data = False

    def __init__(self, name: str) -> None:
        """Keep the name."""
        self._name = name

    def __str__(self) -> str:
        """The name."""
        return self._name

    def __getattr__(self, name: str) -> "Name":
        """A name of its own."""
        if name.startswith("_"):
            raise AttributeError(name)
        return Name(f"{self._name}_{name}")

    def __iter__(self):
        """Itself, once."""
        return iter([self])

    def __len__(self) -> int:
        """One."""
        return 1

    def splitlines(self) -> list[str]:
        """The name, for Jinja's `indent`."""
        return [self._name]

    def __hash__(self) -> int:
        """That of the name."""
        return hash(self._name)

    def _itself(self, *_arguments: object, **_named: object) -> "Name":
        return self

    def _true(self, _other: object) -> bool:
        return True

    __call__ = __getitem__ = _itself
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = __pow__ = __rpow__ = _itself
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _true


_MACRO = re.compile(r"{%-? macro (\w+)\(")
_QUERY = "select column_of_macro from table_of_macro"

for _file in (Path(__file__).resolve().parents[3] / "macros").rglob("*.sql"):
    for _name in _MACRO.findall(_file.read_text()):
        globals()[_name] = Name(_name)

adapter = Name("adapter")
dbt = Name("dbt")
dbt_version = Name("dbt_version")
env_var = Name("env_var")
execute = True
exceptions = Name("exceptions")
graph = Name("graph")
modules = Name("modules")
model = Name("model")
target = Name("target")


def _gives(value):
    return lambda *_arguments, **_named: value


def _cte(name: str, source: str) -> str:
    return f"{name} as (select column_of_macro from {source})"


# As in a warehouse where nothing is built yet.
is_incremental = _gives(False)
kept = _gives(None)

frozen_days = _gives([])

# Lists have one of each: sqlfluff loses its place in a loop that runs more often, and what follows is not judged.
drift_features = known_features = _gives(
    {feature: {"value": f"customer_features.{feature}"} for feature in ("feature_a",)}
)
numeric_features = _gives(["feature_a"])
percentiles_in_rules = _gives([("feature_a", 20)])
profiled_attributes = _gives({name: f"customer_features.{name}" for name in ("attribute_a",)})
profiled_features = _gives({name: f"customer_features.{name}" for name in ("feature_a",)})
segmentations = _gives(["seg_a"])
trailing_windows = _gives([30])

# Queries.
carried_day = domain_violations = features_of = last_of_each = lines_to_append = _gives(_QUERY)
moves_by_day = rows_of = run_days = _gives(_QUERY)
customer_repeats_on = expectations_of = patterns_of = _gives(_QUERY)
changes_in_force = _gives("select as_of_date, customer_id, measured_on from days")
measures_of_days = _gives("select measured_on from days")

# CTEs that a model goes on with.
measures_at_turns = _gives(_cte("measured", "turns"))


def claims_of_personas() -> list[dict[str, object]]:
    """A claim of either kind."""
    return [
        {"claim": claim, "feature": feature, "value": 1, "segment_number": 1, "segmentation": "seg_x", "segment": "x"}
        for claim, feature in (("mostly", "attribute_a"), ("high", "feature_a"))
    ]


def combinations_of(current: str) -> str:
    """Customers and their combination of segments."""
    return f"select customer_id, combination from {current}"


def segments_of_combinations(combinations: str) -> str:
    """The segments of combinations."""
    return f"select combination, customers from {combinations}"


def held_clauses(customer_days: str) -> str:
    """The CTE with the clauses that hold for a customer."""
    return _cte("held_clauses", customer_days)


def unite(entity: str, columns: list[str]) -> str:
    """The rows of all sources."""
    return f"select {', '.join(columns)} from {entity}"


def var(name: str, default: object = None) -> object:
    """A number, but for the variables that are something else wherever they are used."""
    return {
        "customer_id_type": "bigint",
        "drift_baseline_date": None,
        "cross_sell_excluded_categories": ["x"],
        "drift_features": ["feature_a"],
        "follow_up_days": [30],
        "sources": ["system_a"],
    }.get(name, 7)
