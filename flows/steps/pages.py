"""The pages of a release that people read: if a page fails, readers still get the marts."""

import errno
from collections.abc import Callable
from html import escape
from pathlib import Path

from flows.steps.errors import first_line, interruption
from flows.steps.places import remove

# Errors of a disk that is full or cannot be written. A release would fail there, too.
DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM})

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none'">
<title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""


def write_page(folder: Path, title: str, write: Callable[[Path], object]) -> str | None:
    """Write the pages of a folder or, if that fails, a plain page that says so.

    Args:
        folder: where they go, with index.html.
        title: their name, such as "The report".
        write: writes them; gets the folder.

    Returns:
        What went wrong, as a sentence, or None.

    Raises:
        OSError: the disk is full, or may not be written.
    """
    try:
        write(folder)
    except Exception as error:
        if interrupted := interruption(error):
            raise interrupted from error
        if disk := _of_disk(error):
            raise disk from error
        # The page says no more: the message may contain data, and people pass the page on.
        remove(folder)
        folder.mkdir(parents=True)
        text = f"{title} could not be written ({type(error).__name__}). The marts of this release are complete."
        (folder / "index.html").write_text(PAGE.format(title=escape(title), text=escape(text)), encoding="utf-8")
        return f"{title} could not be written: {type(error).__name__}: {first_line(error)}"
    return None


def _of_disk(error: BaseException | None) -> OSError | None:
    """The disk error that an error is or comes from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK:
            return error
        error = error.__cause__ or error.__context__
    return None
