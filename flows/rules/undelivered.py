"""Which rules need columns that no source delivers: their feature is null, and hardly any clause holds."""

from collections.abc import Iterable, Iterator

from flows.steps.project import ROOT, Project
from flows.steps.source_files import SourceTable, source_tables
from macros.python.rules.features import read_features
from macros.python.rules.tree import Segmentation


def undelivered_columns(project: Project) -> set[str]:
    """The columns that features need and no enabled source system delivers, as `<table>.<column>`.

    Nothing is known of a system whose required files are not there. One whose YAML does not list a column may make it
    in its staging models, and is taken to deliver it.

    Raises:
        RunStopped: an enabled system has no YAML.
    """
    by_system: dict[str, list[SourceTable]] = {}
    for table in source_tables(project):
        by_system.setdefault(table.system, []).append(table)
    wanted = set(read_features(ROOT).rests_on.values())
    for tables in by_system.values():
        if any(table.is_required and not table.files for table in tables):
            return set()
        listed = {
            f"{table.name}.{column['name']}": column["name"] in table.delivered
            for table in tables
            for column in table.meta["columns"]
        }
        wanted = {column for column in wanted if not listed.get(column, True)}
    return wanted


def undelivered_clauses(definitions: Iterable[Segmentation], project: Project) -> list[tuple[str, str, str, str]]:
    """The clauses of rules whose feature no source delivers: segmentation, clause, feature and `<table>.<column>`."""
    missing, needs = undelivered_columns(project), read_features(ROOT).rests_on
    return [
        (definition.name, str(clause), clause.feature.name, needs[clause.feature.name])
        for definition in definitions
        for clause in definition.clauses
        if needs.get(clause.feature.name) in missing
    ]


def undelivered_sentences(definitions: Iterable[Segmentation], project: Project) -> Iterator[str]:
    """A sentence for each of these clauses."""
    for segmentation, text, feature, column in undelivered_clauses(definitions, project):
        table, _, name = column.partition(".")
        yield (
            f"UNDELIVERED {segmentation}: '{text}' needs {name} in {table}, which no source delivers, so {feature} is "
            "null for everybody."
        )


def undelivered_summary(definitions: Iterable[Segmentation], project: Project) -> Iterator[str]:
    """A sentence for each segmentation with such clauses."""
    columns: dict[str, list[str]] = {}
    for segmentation, _, _, column in undelivered_clauses(definitions, project):
        columns.setdefault(segmentation, []).append(column)
    for segmentation, needed in columns.items():
        yield (
            f"{segmentation}: {len(needed)} clauses need what no source delivers "
            f"({', '.join(dict.fromkeys(needed))}), so hardly anybody is where they belong. `python -m flows.check` "
            "lists the clauses."
        )
