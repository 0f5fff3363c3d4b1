"""What definitions compile to: a model and a contract for each segmentation, and what other models have to know.

Everything here is text that dbt reads like any other file of the project.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from macros.python.rules import sql
from macros.python.rules.definitions import FOLDER, kept, parse_definitions, read_files
from macros.python.rules.explanations import segment_explanations_sql, told_ctes
from macros.python.rules.features import CONTRACT, Catalogue, Domain, read_features
from macros.python.rules.inputs import inputs_sql
from macros.python.rules.schema import schema_text
from macros.python.rules.tree import Clause, Segment, Segmentation, signed_leaves

PROPERTIES = FOLDER / "_compiled.yml"
SCHEMA = FOLDER / "segmentation.schema.json"
DATA = Path("macros/rules/compiled.sql")
INPUTS = Path("models/history/rule_inputs.sql")
FITS_IN_NAMES = Path("models/history/segment_explanations.sql")
EXPLANATIONS = Path("models/marts/segments/customer_segment_explanations.sql")
CUSTOMERS = Path("models/marts/customers/_customers.yml")
HEADER = "Compiled by `python -m flows.compile` from {source}: edit that file, not this one."
BEGIN, END = "      # A column for each active segmentation, compiled:\n", "      # End of what is compiled.\n"
WIDTH = 110


@dataclass(frozen=True)
class Compiled:
    """Texts of files by path, relative to the checkout, and files that are to go."""

    texts: Mapping[Path, str]
    stale: Sequence[Path]


def compile_definitions(root: Path) -> Compiled:
    """All that the definitions of a checkout compile to.

    Raises:
        WrongDefinitions: definitions or declarations are wrong; the message has all mistakes.
    """
    metas, mistakes = read_files(root)
    catalogue = read_features(root)
    found = kept(parse_definitions(metas, catalogue, mistakes=mistakes))
    tests = {name: meta["data_tests"] for name, meta in metas.items() if meta.get("data_tests")}
    texts = {FOLDER / f"{each.name}.sql": model_sql(each) for each in found}
    texts |= {INPUTS: inputs_model(found), FITS_IN_NAMES: fits_model(found), EXPLANATIONS: explanations_model(found)}
    texts[PROPERTIES] = properties(found, tests)
    texts[SCHEMA] = schema_text(catalogue)
    texts[DATA] = data_macro(found, catalogue, sources_of(root))
    texts[CUSTOMERS] = with_columns((root / CUSTOMERS).read_text(), found)
    models = {path.relative_to(root) for path in (root / FOLDER).glob("seg_*.sql")}
    return Compiled(texts, sorted(models - set(texts)))


def sources_of(root: Path) -> dict[str, str]:
    """A hash of each file that is compiled, by its path relative to the checkout."""
    paths = [CONTRACT, *sorted(path.relative_to(root) for path in (root / FOLDER).glob("seg_*.yml"))]
    return {str(path): hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest() for path in paths}


# The model


def model_sql(segmentation: Segmentation) -> str:
    """The model of a segmentation: each customer and day in the first segment whose rule holds."""
    inputs = ["customer_features"]
    joins = sql.joins(segmentation)
    inputs += [name for name in ("rule_cut_points", "score_cut_points") if f"left join {name}" in joins]
    lines = [f"-- {HEADER.format(source=f'{segmentation.name}.yml')}", ""]
    lines += [f"-- {line}" for line in _wrapped(segmentation.description, 116)]
    for number, name in enumerate(inputs):
        lines += [
            f"{'' if number else 'with '}{name} as (",
            "",
            f"    select * from {{{{ ref('{name}') }}}}",
            "",
            "),",
            "",
        ]
    for name in segmentation.asked:
        lines += [f"{name} as (", "", "    select", "        customer_id,", "        as_of_date,", "        segment"]
        lines += [f"    from {{{{ ref('{name}') }}}}", "", "),", ""]
    lines += ["decided as (", "", *(f"    {line}" for line in decided_lines(segmentation, sql.DBT)), "", ")", ""]
    return "\n".join([*lines, "select * from decided"]) + "\n"


def decided_lines(segmentation: Segmentation, dialect: sql.Dialect) -> list[str]:
    """The query that decides, over customer_features and what `sql.joins` joins."""
    return [
        "select",
        "    customer_features.customer_id,",
        "    customer_features.as_of_date,",
        f"    cast('{segmentation.name}' as {dialect.text}) as segmentation,",
        *(f"    {line}" for line in _case(segmentation, dialect)),
        f"    cast('{segmentation.rule_version}' as {dialect.text}) as rule_version,",
        *(f"    {line}" for line in _held(segmentation, dialect)),
        "from customer_features",
        *sql.joins(segmentation),
    ]


def _case(segmentation: Segmentation, dialect: sql.Dialect) -> Iterator[str]:
    *ruled, last = segmentation.segments
    if not ruled:
        yield f"'{last.name}' as segment,"
        return
    yield "case"
    for segment in ruled:
        yield from _comment(segment)
        yield from _when(segment, dialect)
    yield from _comment(last)
    yield f"    else '{last.name}'"
    yield "end as segment,"


def _comment(segment: Segment) -> Iterator[str]:
    for line in _wrapped(segment.description, 104):
        yield f"    -- {line}"


def _when(segment: Segment, dialect: sql.Dialect) -> Iterator[str]:
    whole = sql.rule_sql(segment.rule, dialect)
    if len(whole) + len(segment.name) <= WIDTH - 26:
        yield f"    when {whole} then '{segment.name}'"
        return
    yield "    when"
    for line in sql.rule_lines(segment.rule, dialect, WIDTH - 16):
        yield f"        {line}"
    yield f"        then '{segment.name}'"


def _held(segmentation: Segmentation, dialect: sql.Dialect) -> Iterator[str]:
    bits = sql.held_bits(segmentation, dialect)
    if not bits:
        yield "cast(0 as bigint) as held_clauses"
        return
    yield "-- A bit for each clause that holds, so that moves and explanations can tell which."
    yield "cast("
    for number, bit in enumerate(bits):
        yield from (f"    {line}" for line in _summand(bit, "+ " if number else ""))
    yield "    as bigint"
    yield ") as held_clauses"


def _summand(bit: sql.Bit, sign: str) -> list[str]:
    if len(bit.sql) <= WIDTH - 8:
        return [f"{sign}{bit.sql}"]
    return [f"{sign}case", f"    when {bit.holds}", f"        then {bit.value}", "    else 0", "end"]


def _wrapped(text: str, width: int) -> list[str]:
    # dbt renders what stands in comments, too.
    words, lines = re.sub(r"[{}#%]", lambda found: f"{found[0]} ", text).split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) >= width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line]


# Models about all segmentations


def inputs_model(segmentations: Sequence[Segmentation]) -> str:
    """The model rule_inputs."""
    imports = _imports(
        {
            "customer_features": "where as_of_date = {{ last_date() }}",
            **({"score_cut_points": ""} if any(each.frozen_on for each in segmentations) else {}),
            "waiting_segments": "",
        }
    )
    return _view(f"{imports}{inputs_sql(segmentations, sql.DBT)}")


def fits_model(segmentations: Sequence[Segmentation]) -> str:
    """The model segment_explanations."""
    imports = _imports({"segment_fits": "", "waiting_segments": "", "segment_versions": ""})
    return _view(f"{imports}{segment_explanations_sql(segmentations, sql.DBT)}")


def explanations_model(segmentations: Sequence[Segmentation]) -> str:
    """The mart customer_segment_explanations."""
    imports = _imports(
        {
            "segment_explanations": "",
            "customer_features": "where as_of_date = {{ last_date() }}",
            **({"score_cut_points": ""} if any(each.frozen_on for each in segmentations) else {}),
            "rule_changes": "",
            "pattern_texts": "",
        }
    )
    columns = (
        *("customer_id", "segmentation", "segment", "rule_segment", "rule_version", "explanation", "deciding_clauses"),
        *("clause_values", "missed_rules", "fit", "nearest_segment", "change_feature", "change_from", "change_to"),
    )
    listed = ",\n".join(f"    {column}" for column in columns)
    told = told_ctes(segmentations, sql.DBT)
    return _view(f"{imports}{told}\n\nselect\n    {{{{ last_date() }}}} as as_of_date,\n{listed}\nfrom told")


def _imports(relations: Mapping[str, str]) -> str:
    """A common table expression for each model, with its condition."""
    parts = [
        f"{name} as (\n\n    select * from {{{{ ref('{name}') }}}}\n"
        + (f"    {condition}\n" if condition else "")
        + "\n),\n\n"
        for name, condition in relations.items()
    ]
    return "with " + "".join(parts)


def _view(query: str) -> str:
    return f"-- {HEADER.format(source='seg_*.yml')}\n{{{{ config(materialized='view') }}}}\n\n{query}\n"


# The contract


def properties(segmentations: Sequence[Segmentation], tests: Mapping[str, Any]) -> str:
    """The properties of the models: description, contract, data tests."""
    columns = [
        {"name": "customer_id", "data_type": "{{ var('customer_id_type') }}", "description": "The customer."},
        {"name": "as_of_date", "data_type": "date", "description": "The day at whose end it is so."},
        {"name": "segmentation", "data_type": "varchar", "description": "The name of the segmentation."},
        {"name": "segment", "data_type": "varchar", "description": "The first segment whose rule holds."},
        {"name": "rule_version", "data_type": "varchar", "description": "A hash of the rules that decided."},
        {"name": "held_clauses", "data_type": "bigint", "description": "A bit for each clause that holds."},
    ]
    models = [
        {
            "name": each.name,
            "description": " ".join(each.description.split()) or each.label,
            "config": {
                "contract": {"enforced": True},
                "meta": {"label": each.label, "owner": each.owner, "status": each.status},
            },
            **({"data_tests": tests[each.name]} if each.name in tests else {}),
            "columns": columns,
        }
        for each in segmentations
    ]
    dumped = yaml.dump({"models": models}, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=116)
    return f"# {HEADER.format(source='seg_*.yml')}\n{dumped}"


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def with_columns(text: str, segmentations: Iterable[Segmentation]) -> str:
    """The contract of dim_customers with a column for every active segmentation, between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    columns = "".join(
        f'      - name: {each.name}\n        description: "The current segment in {each.name}."\n'
        "        data_type: varchar\n"
        for each in segmentations
        if each.status == "active"
    )
    return f"{before}{BEGIN}{columns}{END}{after}"


# What other models have to know


class Template(str):
    """Text with Jinja's expressions in it, which dbt renders when it builds."""


def data_macro(segmentations: Sequence[Segmentation], catalogue: Catalogue, sources: Mapping[str, str]) -> str:
    """The macro that gives everything that models know of features and segmentations."""
    found = data(segmentations, catalogue, sql.DBT) | {"sources": dict(sources)}
    return (
        f"{{#- {HEADER.format(source='seg_*.yml and the contract of customer_features')} -#}}\n"
        "{% macro compiled() %}\n"
        f"    {{{{ return({_jinja(found)}) }}}}\n"
        "{% endmacro %}\n"
    )


def data(segmentations: Sequence[Segmentation], catalogue: Catalogue, dialect: sql.Dialect) -> dict[str, Any]:
    """What models know of features and segmentations."""
    return {
        "features": {
            name: {
                "data_type": feature.data_type,
                "kind": feature.kind,
                "protected": feature.is_protected,
                "value": Template(sql.feature_sql(feature, dialect)),
            }
            for name, feature in catalogue.features.items()
        },
        "profiled": catalogue.profiled,
        "attributes": catalogue.attributes,
        "domain_violations": [
            {"feature": name, "declaration": declaration, "sql": Template(violation)}
            for name, domain in catalogue.domains().items()
            for declaration, violation in violations_of(domain, catalogue, dialect).items()
        ],
        "segmentations": [segmentation_data(each, dialect) for each in segmentations],
    }


def violations_of(domain: Domain, catalogue: Catalogue, dialect: sql.Dialect) -> dict[str, str]:
    """What breaks each declaration of a domain, as SQL, by the declaration in words."""
    value = sql.feature_sql(domain.feature, dialect)
    is_missing = domain.is_nullable and not domain.is_optional
    absent = f"{value} is null" if is_missing else f"{value} = 0"
    present = f"{value} is not null" if is_missing else f"{value} <> 0"

    def holds(clause: Clause) -> str:
        return sql.never_null(clause, sql.leaf_sql(clause, dialect))

    found = {} if domain.is_nullable else {"nullable: false": f"{value} is null"}
    for bound in domain.bounds:
        found[str(bound)] = f"{value} is not null and not {holds(bound)}"
    for other in domain.at_most:
        found[f"at_most: {other}"] = f"{value} > {sql.feature_sql(catalogue.features[other], dialect)}"
    if domain.only_when:
        found[f"only_when: {domain.only_when}"] = f"not {holds(domain.only_when)} and {present}"
    if domain.exactly_when:
        condition = holds(domain.exactly_when)
        found[f"exactly_when: {domain.exactly_when}"] = f"case when {condition} then {absent} else {present} end"
    # An age that is not a column is computed this way, and cannot be wrong.
    if domain.age_of and not domain.feature.age_of:
        days = dialect.days_between(f"customer_features.{domain.age_of}", "customer_features.as_of_date")
        found[f"age_of: {domain.age_of}"] = (
            f"case when {days} is null then {value} is not null else {value} is null or {value} <> {days} end"
        )
    return found


def segmentation_data(segmentation: Segmentation, dialect: sql.Dialect) -> dict[str, Any]:
    """What models know of a segmentation."""
    return {
        "name": segmentation.name,
        "label": segmentation.label,
        "description": segmentation.description,
        "owner": segmentation.owner,
        "status": segmentation.status,
        "challenger_of": segmentation.challenger_of,
        "confirm_days": segmentation.confirm_days,
        "frozen_on": str(segmentation.frozen_on) if segmentation.frozen_on else None,
        "builds_on": segmentation.builds_on,
        "asked": list(segmentation.asked),
        "rule_version": segmentation.rule_version,
        "joins": sql.joins(segmentation),
        "percentiles": [[feature.name, n] for feature, n in sql.percentiles_of([segmentation])],
        "held_bits": [Template(bit.sql) for bit in sql.held_bits(segmentation, dialect)],
        "features": list(
            dict.fromkeys(leaf.feature.name if isinstance(leaf, Clause) else str(leaf) for leaf in segmentation.leaves)
        ),
        "segments": [_segment_data(segment, segmentation) for segment in segmentation.segments],
    }


def _segment_data(segment: Segment, segmentation: Segmentation) -> dict[str, Any]:
    bits = segmentation.bits
    decided = sql.deciding(segment.rule, bits, "held_clauses") if segment.rule else None
    signs: dict[str, set[bool]] = {}
    for leaf, is_wanted in signed_leaves(segment.rule) if segment.rule else ():
        signs.setdefault(str(leaf), set()).add(is_wanted)
    return {
        "name": segment.name,
        "label": segment.label,
        "position": segment.position,
        "is_default": segment.rule is None,
        "is_immediate": segment.is_immediate,
        "rule_json": json.dumps(segment.source) if segment.rule else None,
        "rule_text": segment.rule_text,
        "description": segment.description,
        "persona": segment.persona,
        "claims": [{"feature": each.feature, "claim": each.claim, "value": each.value} for each in segment.claims],
        "owner": segment.owner,
        "strategy": dict(segment.strategy),
        "because": decided.because if decided else "0",
        "despite": decided.despite if decided else "0",
        # A clause that only a not mentions decides by failing.
        "clauses": [
            {"bit": bits[text], "text": text if True in wanted else f"not {text}"}
            for text, wanted in sorted(signs.items(), key=lambda sign: bits[sign[0]])
        ],
    }


def _jinja(value: Any, indent: int = 4) -> str:
    """A value as Jinja writes it, an entry a line."""
    inside, outside = " " * (indent + 4), " " * indent
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Template():
            return _template(value)
        case str():
            return _text(value)
        case dict():
            items = [f"{_text(str(key))}: {_jinja(each, indent + 4)}" for key, each in value.items()]
            opening, closing = "{", "}"
        case _:
            items = [_jinja(each, indent + 4) for each in value]
            opening, closing = "[", "]"
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) + indent <= 136 and "\n" not in line:
        return line
    return f"{opening}\n" + "".join(f"{inside}{item},\n" for item in items) + f"{outside}{closing}"


def _template(text: str) -> str:
    """Text with expressions as one expression, which concatenates them."""
    parts = re.split(r"\{\{ (.*?) \}\}", text)
    written = [part if place % 2 else _text(part) for place, part in enumerate(parts) if part]
    return " ~ ".join(written) if len(written) != 1 else written[0]


def _text(text: str) -> str:
    # Braces would be Jinja's, and pairs of surrogates are not characters there.
    return json.dumps(text, ensure_ascii=False).replace("{", "\\u007b").replace("}", "\\u007d")
