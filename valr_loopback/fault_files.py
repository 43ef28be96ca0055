"""Reading faults: from a YAML file, from the command line, and from the body of a control call."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]
from pydantic import ValidationError

from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import Fault

_LISTS = ("nth", "orders", "delay")


class FaultError(Exception):
    """Faults that cannot be read; the text says which, and why."""


def load_faults(path: Path) -> list[Fault]:
    """Read faults from a YAML file: a list of faults, alone or under ``faults``.

    Raises:
        FaultError: if the file is missing, not YAML, or does not hold faults.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultError(f"{path}: {error}") from error
    try:
        return read_faults(content)
    except FaultError as error:
        raise FaultError(f"{path}: {error}") from error


def read_faults(content: object) -> list[Fault]:
    """Read faults from decoded YAML or JSON: a list of faults, alone or under ``faults``.

    Raises:
        FaultError: if it is anything else.
    """
    rows = content.get("faults") if isinstance(content, dict) and set(content) == {"faults"} else content
    if not isinstance(rows, list):
        raise FaultError("expected a list of faults, or a mapping with nothing but a list under 'faults'")
    return [_read(row, f"fault {number}") for number, row in enumerate(rows, 1)]


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line writes it: ``kind:option=value,option=value``.

    Lists and ranges are written with slashes: ``nth=1/3``, ``delay=0.5/2``.

    Raises:
        FaultError: if it is anything else.
    """
    kind, _, options = text.partition(":")
    row: dict[str, Any] = {"kind": kind.strip()}
    for option in options.split(",") if options else ():
        name, equals, value = (part.strip() for part in option.partition("="))
        if not equals:
            raise FaultError(f"{text}: {option!r} is not option=value")
        if name in row:
            raise FaultError(f"{text}: {name} is given twice")
        row[name] = value.split("/") if name in _LISTS and not (name == "delay" and "/" not in value) else value
    return _read(row, text)


def _read(row: object, where: str) -> Fault:
    try:
        return Fault.model_validate(row)
    except ValidationError as error:
        raise FaultError(f"{where}: {'; '.join(_wrong(detail) for detail in error.errors())}") from error


def _wrong(detail: Any) -> str:
    """Say what pydantic found wrong in words of the fault's own."""
    name, given = ".".join(map(str, detail["loc"])), detail["input"]
    match detail["type"]:
        case "enum":
            near = get_close_matches(str(given), list(FaultKind), 1)
            return f"unknown kind {given!r}" + (f", did you mean {near[0]}?" if near else "")
        case "extra_forbidden":
            return f"unknown option {name!r}"
        case "missing":
            return f"{name} is missing"
        case "value_error":
            return str(detail["ctx"]["error"])
        case _:
            return f"{name}: {detail['msg']}" if name else f"expected a mapping of options, not {given!r}"
