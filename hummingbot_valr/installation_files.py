"""Puts the connector into a Hummingbot and takes it away again: a copy with a record of what it consists of, or a link.

Nothing half-done stays behind: a copy is made beside its place under a name that Hummingbot's search passes over, moved
into place by renaming, and taken back if Hummingbot then does not load it. The folder aside tells at each step how far
that went, so that the next run can take back what a killed one left.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hummingbot_valr.installation import Hummingbot, InstallationError, Loaded
from hummingbot_valr.versions import SOURCE, VERSION

RECORD = ".hummingbot-valr.json"
# Hummingbot's search for connectors passes over names that begin so.
_ASIDE = "_valr-aside-"
# What a folder aside holds: what is to come, what was there before or that there was nothing, what did not load. Names
# that say nothing are those of a run that has ended: of what is only to be deleted, part may be gone.
_NEW, _OLD, _NOTHING_BEFORE, _FAILED = "new", "old", "nothing-before", "failed"
_REPLACED, _TAKEN = "replaced", "taken"


class Kind(Enum):
    """What is in the place of the connector."""

    NOTHING = "not installed"
    COPY = "a copy"
    LINK = "a link"
    PACKAGE = "part of the package hummingbot-valr"
    UNRECORDED = "a copy that this command did not make"
    FOREIGN = "a connector that is not ours"


@dataclass(frozen=True)
class Present:
    """What is in the place of the connector: its version if it is ours, and which of its files are not as put."""

    kind: Kind
    version: str = ""
    is_ours_now: bool = False
    altered: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say what is there."""
        return f"{self.kind.value}, version {self.version}" if self.version else self.kind.value


def present_in(hummingbot: Hummingbot, source: Path = SOURCE) -> Present:
    """Look at the place of the connector."""
    place = hummingbot.connector
    if place.is_symlink():
        version = _version_of(place)
        if not place.exists():
            return Present(Kind.LINK)  # to nowhere
        return Present(Kind.LINK if version else Kind.FOREIGN, version, place.resolve() == source.resolve())
    if not place.exists():
        return Present(Kind.NOTHING)
    version = _version_of(place)
    if place.resolve() == source.resolve() or _is_packaged(hummingbot):
        return Present(Kind.PACKAGE, version, place.resolve() == source.resolve())
    record = _record_of(place)
    if record is None:
        return Present(Kind.UNRECORDED if version else Kind.FOREIGN, version)
    files = _files_of(place)
    altered = sorted(name for name in files.keys() | record.keys() if files.get(name) != record.get(name))
    return Present(Kind.COPY, version, record == _files_of(source), tuple(altered))


def put(
    hummingbot: Hummingbot,
    load: Callable[[Hummingbot], Loaded],
    *,
    link: bool = False,
    force: bool = False,
    source: Path = SOURCE,
) -> Present:
    """Put the connector of ``source`` in place, unless it is there, and return what was there before.

    :param load: tells whether Hummingbot loads it; if not, what was there before is put back
    :param force: replaces also a copy that somebody changed or made by hand, and a newer one
    :raises InstallationError: it may not be replaced, cannot be written, or Hummingbot does not load it
    """
    with _alone_and_mended(hummingbot, source):
        before = present_in(hummingbot, source)
        if before.is_ours_now and not before.altered and (before.kind is Kind.PACKAGE or _is_link(before) == link):
            _require_loaded(hummingbot, load(hummingbot))
            return before
        _require_replaceable(hummingbot, before, force)
        with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=hummingbot.connector.parent) as folder:
            _swap(hummingbot, load, Path(folder), source, link)
        return before


def take_away(hummingbot: Hummingbot, *, force: bool = False, source: Path = SOURCE) -> Present:
    """Take away what `put` put there, and return what it was.

    :raises InstallationError: it is not ours to take away, or cannot be
    """
    with _alone_and_mended(hummingbot, source):
        before = present_in(hummingbot, source)
        if before.kind is Kind.NOTHING:
            return before
        _require_replaceable(hummingbot, before, force, removing=True)
        place = hummingbot.connector
        try:
            if place.is_symlink():
                place.unlink()
            else:
                with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=place.parent) as folder:
                    place.rename(Path(folder) / _TAKEN)
        except OSError as error:
            raise InstallationError(f"{place} cannot be taken away: {error.strerror or error}.") from error
        return before


def is_unfinished(hummingbot: Hummingbot) -> bool:
    """Whether a run was killed here, or is at work: `put` and `take_away` first take back what it left half-done."""
    return any(_asides(hummingbot))


@contextmanager
def _alone_and_mended(hummingbot: Hummingbot, source: Path) -> Iterator[None]:
    """Keep every other run out until the end, and take back first what a killed one left half-done."""
    try:
        with _alone_in(hummingbot.connector.parent):
            for aside in _asides(hummingbot):
                now = present_in(hummingbot, source)
                # Whatever else is in place now, somebody has put there since.
                if now.kind in (Kind.NOTHING, Kind.COPY, Kind.LINK) and not now.altered:
                    _put_back(hummingbot.connector, aside)
                shutil.rmtree(aside)
            yield
    except OSError as error:
        raise InstallationError(
            f"{hummingbot.connector} cannot be written: {error.strerror or error}. Run this as the user who owns that"
            " Hummingbot."
        ) from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # A network's file system may lock no folders.
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InstallationError(
                    f"Another hummingbot-valr is at work in {folder}: wait until it has ended."
                ) from error
        yield
    finally:
        os.close(descriptor)


def _asides(hummingbot: Hummingbot) -> list[Path]:
    return sorted(hummingbot.connector.parent.glob(f"{_ASIDE}*"))


def _swap(hummingbot: Hummingbot, load: Callable[[Hummingbot], Loaded], folder: Path, source: Path, link: bool) -> None:
    place, new, old, nothing_before = hummingbot.connector, folder / _NEW, folder / _OLD, folder / _NOTHING_BEFORE
    if link:
        new.symlink_to(source, target_is_directory=True)
    else:
        shutil.copytree(source, new, ignore=shutil.ignore_patterns("__pycache__", RECORD))
        (new / RECORD).write_text(json.dumps({"version": VERSION, "files": _files_of(new)}, indent=1) + "\n")
    try:
        if _is_there(place):
            place.rename(old)
        else:
            nothing_before.touch()
        new.rename(place)
        _require_loaded(hummingbot, load(hummingbot))
        (old if _is_there(old) else nothing_before).rename(folder / _REPLACED)
    except BaseException:  # an interruption, too, leaves what was there before
        _put_back(place, folder)
        raise


def _put_back(place: Path, folder: Path) -> None:
    """Take back a swap that did not end; ``folder`` tells how far it went."""
    old = folder / _OLD
    has_begun = _is_there(old) or _is_there(folder / _NOTHING_BEFORE)
    if has_begun and not _is_there(folder / _NEW) and not _is_there(folder / _FAILED) and _is_there(place):
        place.rename(folder / _FAILED)
    if _is_there(old) and not _is_there(place):
        old.rename(place)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _require_loaded(hummingbot: Hummingbot, loaded: Loaded) -> None:
    if loaded.problem:
        raise InstallationError(
            f"{hummingbot.describe()} does not load the connector: {loaded.problem}. It was left as it was before."
            f" Does 'import hummingbot.client.settings' work with {hummingbot.python}?"
        )


def _require_replaceable(hummingbot: Hummingbot, before: Present, force: bool, removing: bool = False) -> None:
    place = hummingbot.connector
    if before.kind is Kind.FOREIGN:
        raise InstallationError(
            f"{place} is a connector called valr that is not ours. Move it away if you do not need it; it is not"
            " touched from here."
        )
    if before.kind is Kind.PACKAGE:
        verb = "uninstall" if removing else "install --upgrade"
        raise InstallationError(
            f"{place} belongs to the package hummingbot-valr {before.version}:"
            f" use 'uv pip {verb} --python {hummingbot.python} hummingbot-valr'."
        )
    if force:
        return
    if before.kind is Kind.UNRECORDED:
        raise InstallationError(f"{place} is a copy that this command did not make; --force takes it all the same.")
    if before.altered:
        raise InstallationError(
            f"Files in {place} are not as this command put them ({', '.join(before.altered)}); --force gives them up."
        )
    if not removing and _order(before.version) > _order(VERSION):
        raise InstallationError(
            f"{place} has version {before.version}, and this is the older {VERSION}; --force goes back to it."
        )


def _is_link(present: Present) -> bool:
    return present.kind is Kind.LINK


def _is_packaged(hummingbot: Hummingbot) -> bool:
    return any(
        "exchange/valr/__init__.py" in record.read_text(encoding="utf-8")
        for record in hummingbot.root.glob("hummingbot_valr-*.dist-info/RECORD")
    )


def _version_of(place: Path) -> str:
    """Return the version that a connector declares, ``""`` if it is not one of ours."""
    try:
        text = (place / "valr_versions.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    lines = [line for line in text.splitlines() if line.startswith("VERSION = ")]
    return lines[0].removeprefix("VERSION = ").strip('"') if lines else ""


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _record_of(place: Path) -> dict[str, str] | None:
    try:
        files = json.loads((place / RECORD).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if isinstance(files, dict) else None


def _files_of(folder: Path) -> dict[str, str]:
    """Every file of a connector with a hash of its content; what Python compiled and the record itself left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name != RECORD
    }
