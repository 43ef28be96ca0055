"""This connector's version, and the releases of Hummingbot it is tested with.

Imports nothing of Hummingbot: `hummingbot-valr` reads this file also where there is none.
"""

import functools
import logging
import re
from pathlib import Path

VERSION = "0.1.0"

# The oldest and the newest release that the tests run on.
TESTED_HUMMINGBOT = ("20260729", "20260922")

_RELEASE_IN_SETUP = re.compile(r"""^\s*version\s*=\s*["'](\d{8})["']""", re.MULTILINE)


def release_of(root: Path) -> str:
    """Return the release (``20260922``) of the Hummingbot whose package lies in ``root``, ``""`` if nothing tells it.

    A source checkout has it in its ``setup.py``, an installed package in the name of its metadata.
    """
    try:
        named = _RELEASE_IN_SETUP.search((root / "setup.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        named = None
    if named:
        return named.group(1)
    metadata = sorted(root.glob("hummingbot-*.dist-info"))
    return metadata[-1].name.removesuffix(".dist-info").split("-")[1] if metadata else ""


def explain_release(release: str) -> str:
    """Say that the connector is not tested with a release of Hummingbot, and what to do; empty if it is.

    :param release: as ``release_of`` returns it
    """
    oldest, newest = TESTED_HUMMINGBOT
    if not release:
        found = "The release of this Hummingbot is not known"
    elif release < oldest:
        found = f"Hummingbot {release} is older than what this VALR connector is tested with"
    elif release > newest:
        found = f"Hummingbot {release} is newer than what this VALR connector is tested with"
    else:
        return ""
    return (
        f"{found} (connector {VERSION}, Hummingbot {oldest} to {newest}). Try it on valr_loopback first, and use a "
        "tested release for unattended trading."
    )


@functools.cache
def warn_if_untested(root: Path, logger: logging.Logger) -> None:
    """Warn, once in a process, if the Hummingbot in ``root`` is none that the connector is tested with."""
    if problem := explain_release(release_of(root)):
        logger.warning(problem)
