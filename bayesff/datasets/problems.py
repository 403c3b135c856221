"""What is wrong in a file of a data set, and where: one sentence a problem."""

from dataclasses import dataclass
from pathlib import Path

from bayesff.errors import DataError


@dataclass(frozen=True)
class Problem:
    """One broken rule.

    Parameters
    ----------
    path
        The file.
    line
        Line in it, counted from 1; None where the problem is that of the whole file.
    column
        Column or key; empty where there is none.
    message
        The rule, the value found and the mend, in one sentence.
    """

    path: Path
    line: int | None
    column: str
    message: str

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        column = f", {self.column}" if self.column else ""
        return f"{self.path}{line}{column}: {self.message}"


class Problems(Exception):  # noqa: N818 - carries findings inside this package and never reaches a user
    """Raised inside the reader when nothing further can be checked."""

    def __init__(self, *found: Problem) -> None:
        super().__init__(*found)
        self.found = list(found)


def raise_first(found: list[Problem]) -> None:
    """Raise a `DataError` with the first problem and the number of the others, if there is one."""
    if found:
        others = f" ({len(found) - 1} more found)" if len(found) > 1 else ""
        raise DataError(f"{found[0]}{others}")


def read_text(path: Path) -> str:
    """Return the text of a file without its byte-order mark and with plain line ends."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Problems(Problem(path, None, "", "the file must exist, found none: create it or correct the name")) from None
    except OSError as error:
        raise Problems(
            Problem(path, None, "", f"the file must be readable, found {error.strerror}: mend its permissions")
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"byte 0x{content[error.start]:02x}"
        raise Problems(Problem(path, line, "", f"the text must be UTF-8, found {found}: save the file as UTF-8")) from None
    if not text.strip():
        raise Problems(Problem(path, None, "", "the file must not be empty, found no text: fill it or remove the data set"))
    return text.replace("\r\n", "\n").replace("\r", "\n")
