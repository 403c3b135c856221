"""Writing so that nothing is left half-written, and nothing is lost."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bayesff.errors import OutputError


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name at the end; it is removed if anything goes wrong.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: the file cannot be written ({reason(error)}): choose another folder or make room") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """Give an empty folder beside a folder-to-be, in the same file system; it is removed at the end.

    Raises
    ------
    OutputError
        If there is no place to write.
    """
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", suffix=".partial", dir=beside.parent))
        folder.chmod(0o755)  # mkdtemp makes it readable for its owner only
    except OSError as error:
        raise OutputError(
            f"{beside.parent}: the folder cannot be written ({reason(error)}): choose another --output folder"
        ) from None
    try:
        yield folder
    except OSError as error:
        raise OutputError(
            f"{beside}: the output cannot be written ({reason(error)}): choose another folder or make room"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def reason(error: OSError) -> str:
    """Return what the operating system says, without the name of the temporary file."""
    # HDF5 wraps the system's message in one of its own.
    wrapped = re.search(r"error message = '([^']+)'", str(error))
    return (wrapped.group(1) if wrapped else error.strerror or str(error)).lower()
