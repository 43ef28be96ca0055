"""Our version and the tested releases of Hummingbot, as the connector declares them; readable without a Hummingbot."""

import importlib.util
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent.parent / "hummingbot" / "connector" / "exchange" / "valr"
"""The connector that came with this command."""


def _declared() -> Any:
    # Not as a part of its package: that would import Hummingbot.
    spec = importlib.util.spec_from_file_location("hummingbot_valr._connector_versions", SOURCE / "valr_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_connector = _declared()

VERSION: str = _connector.VERSION
TESTED_HUMMINGBOT: tuple[str, str] = _connector.TESTED_HUMMINGBOT
OLDEST, NEWEST = TESTED_HUMMINGBOT


def release_of(root: Path) -> str:
    """Return the release of the Hummingbot whose package lies in ``root``, ``""`` if nothing tells it."""
    return str(_connector.release_of(root))


def explain_release(release: str) -> str:
    """Say that we are not tested with this release of Hummingbot, and what to do; empty if we are."""
    return str(_connector.explain_release(release))
