"""Copies of the project for tests that change its files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from flows.steps.project import ROOT

SEGMENTATION = """owner: a@example.com
segments:
  - name: a
    description: Orders.
    rule: orders_30d > 1
  - name: b
    description: Does not.
"""


def copy_rules(folder: Path) -> Path:
    """A checkout of its own, as far as rules are concerned."""
    for name in ("models", "macros"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dbt_project.yml", folder)
    return folder


def copy_project(folder: Path) -> Path:
    """The whole project, whose commands can be called."""
    kept_out = shutil.ignore_patterns(".venv", ".git", "warehouse", "serving", "target", "logs", "build", "__pycache__")
    return shutil.copytree(ROOT, folder / "project", ignore=kept_out)


def called(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of a project, ended."""
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=project, env=os.environ, capture_output=True, text=True, check=False
    )
