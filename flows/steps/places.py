"""The files and folders that commands make, and those that they may remove."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flows.steps.errors import RunStopped

# The owner writes, the group reads: files 0640, folders 0750.
UMASK = "027"


def keep_private() -> None:
    """Apply TESSERA_UMASK to files of this process and of the processes it starts.

    Raises:
        RunStopped: it is not a umask, or it would keep a run from reading its own files.
    """
    text = os.environ.get("TESSERA_UMASK", UMASK)
    is_umask = 1 <= len(text) <= 4 and set(text) <= set("01234567")
    if not is_umask or int(text, 8) > 0o77:
        raise RunStopped(
            f"TESSERA_UMASK is '{text}', but must be three octal digits: 027 (the group may read, the default), 077 "
            "(only this user may read) or 022 (everybody may read)."
        )
    os.umask(int(text, 8))


def existing(place: Path) -> Path:
    """The place, or the nearest folder above it that is there."""
    return next(path for path in (place, *place.parents) if path.exists())


def unwritable(places: Mapping[str, Path]) -> dict[str, Path]:
    """The folders, by name, that this user may not write or make."""
    above = {name: existing(place) for name, place in places.items()}
    return {
        name: places[name]
        for name, there in above.items()
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK)
    }


def remove(path: Path) -> None:
    """Remove a file or folder; of a link only the link itself. A missing one is fine.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def try_to_remove(path: Path) -> None:
    """Remove what the next run can also remove; failing is fine."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
