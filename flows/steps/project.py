"""Where the project's parts lie and how it is set up."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from flows.steps.errors import RunStopped
from flows.steps.settings import invalid_environment, invalid_settings, plain
from macros.python.rules.clauses import iso_date

ROOT = Path(__file__).resolve().parents[2]

# A database is called as its file is. These names are taken: by DuckDB, by the databases that a warehouse is copied to,
# and by schemas in it, which are named without their database.
TAKEN_NAMES = (
    *("information_schema", "main", "memory", "system", "temp"),
    *("fresh", "release"),
    *("checks", "conformed", "features", "history", "marts", "operations", "segmentations"),
)


def shown(path: Path) -> Path:
    """A path as people are told it: from the project's folder on, where it lies in that."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


@dataclass(frozen=True)
class Project:
    """A checkout of Tessera with the vars that a run overrides.

    Attributes:
        overrides: dbt vars that differ from dbt_project.yml, such as ``{"sources": ["files"]}``.
        warehouse: the DuckDB file that runs write.
        serving: the folder of the releases that readers open.
        logs: the folder of the structured logs of runs, and of dbt's log.
    """

    overrides: dict[str, Any] = field(default_factory=dict)
    warehouse: Path = field(
        default_factory=lambda: ROOT / os.environ.get("TESSERA_WAREHOUSE", "warehouse/tessera.duckdb")
    )
    serving: Path = field(default_factory=lambda: ROOT / os.environ.get("TESSERA_SERVING", "serving"))
    logs: Path = field(default_factory=lambda: ROOT / os.environ.get("TESSERA_LOGS", "logs"))

    def __post_init__(self) -> None:
        """Follow links once: what is replaced, locked or compared later is the file itself."""
        for name in ("warehouse", "serving", "logs"):
            object.__setattr__(self, name, getattr(self, name).resolve())

    @cached_property
    def vars(self) -> dict[str, Any]:
        """The dbt vars in force; dates are text."""
        return plain(yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"] | self.overrides)

    @property
    def given_history_start(self) -> date | None:
        """The day of vars: history_start, if there is one and it is valid."""
        given = self.vars["history_start"]
        return iso_date(given) if isinstance(given, str) else None

    @cached_property
    def code_version(self) -> str:
        """The commit of the checkout, with ``-dirty`` where files differ from it, or ``unknown``."""
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else "unknown"

    @classmethod
    def with_vars(cls, text: str | None) -> "Project":
        """The project with overrides given as YAML, such as ``{sources: [files], files_folder: my_data}``.

        Raises:
            RunStopped: the text is no YAML mapping.
        """
        try:
            overrides = yaml.safe_load(text) if text else {}
        except (yaml.YAMLError, ValueError) as error:
            # A date that is not in the calendar is a ValueError of the YAML reader.
            raise RunStopped(f"--vars is not YAML: {error}") from error
        if not isinstance(overrides, dict):
            raise RunStopped(f"--vars must be a mapping such as '{{sources: [files]}}', not {text!r}.")
        return cls(overrides=plain(overrides))

    def checked(self) -> "Project":
        """The project, for a run that is about to begin.

        Raises:
            RunStopped: variables of dbt_project.yml or of the environment are not what they must be, or the warehouse
                is called what no database can be. All of them are named.
        """
        wrong = [*invalid_environment(os.environ), *invalid_settings(self.vars, ROOT)]
        if wrong:
            raise RunStopped(
                "\n".join(wrong) + "\nSet vars in dbt_project.yml, or with --vars. Nothing has been touched."
            )
        name = self.warehouse.stem
        taken = (*TAKEN_NAMES, *(f"raw_{system}" for system in self.vars["sources"]))
        if name.lower() in taken or not re.fullmatch(r"[\w -]+", name):
            raise RunStopped(
                f"The warehouse {self.warehouse} cannot be called '{name}': that is reserved as a database name. Set "
                "TESSERA_WAREHOUSE to a file whose name has letters, digits, blanks, - and _ before .duckdb, and is "
                f"none of {', '.join(taken)}."
            )
        return self
