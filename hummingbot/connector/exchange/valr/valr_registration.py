"""Opens VALR's doors where Hummingbot keeps a table of what it knows: rate sources, their settings, and candles.

Hummingbot finds connectors by scanning folders, but these three are dictionaries in modules of its own. Which of the
modules is loaded when this package is, depends on the program: not yet, completely, or half (the client's settings
import the folder scan that imports us). Each table is therefore filled as soon as its module is complete.
"""

import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS


def _add_rate_sources(module: ModuleType) -> None:
    from hummingbot.connector.exchange.valr.valr_rate_source import ValrLoopbackRateSource, ValrRateSource

    module.RATE_ORACLE_SOURCES[CONSTANTS.EXCHANGE_NAME] = ValrRateSource
    module.RATE_ORACLE_SOURCES[CONSTANTS.LOOPBACK_DOMAIN] = ValrLoopbackRateSource


def _add_rate_source_modes(module: ModuleType) -> None:
    for name in (CONSTANTS.EXCHANGE_NAME, CONSTANTS.LOOPBACK_DOMAIN):
        module.RATE_SOURCE_MODES[name] = _rate_source_mode(module.GateIoRateSourceMode, name)


def _rate_source_mode(member: Any, source: str) -> type:
    from pydantic import ConfigDict, Field

    # The setting's type is a union that was closed before we came: only a subclass of a member is let in.
    class ValrRateSourceMode(member):
        name: str = Field(default=source)
        model_config = ConfigDict(title=source)

    return ValrRateSourceMode


def _add_candles(module: ModuleType) -> None:
    from hummingbot.connector.exchange.valr.valr_candles import ValrLoopbackSpotCandles, ValrSpotCandles

    module.CandlesFactory._candles_map[CONSTANTS.EXCHANGE_NAME] = ValrSpotCandles
    module.CandlesFactory._candles_map[CONSTANTS.LOOPBACK_DOMAIN] = ValrLoopbackSpotCandles


class _WatchedSpec(ModuleSpec):
    """The spec of a module that is being imported; reports when the import machinery says that it is over."""

    report: Callable[[ModuleSpec], None]

    def __setattr__(self, attribute: str, value: Any) -> None:
        super().__setattr__(attribute, value)
        if attribute == "_initializing" and not value:
            report, spec = self.__dict__.pop("report"), cast(ModuleSpec, self)
            spec.__class__ = ModuleSpec
            report(spec)


def _watch(spec: ModuleSpec, report: Callable[[ModuleSpec], None]) -> None:
    # A spec of a kind of its own belongs to somebody else's loader: better no rates than a broken import.
    if type(spec) is ModuleSpec:
        spec.__class__ = _WatchedSpec
        cast(_WatchedSpec, spec).report = report


class Doors(MetaPathFinder):
    """What is to be done with each module as soon as it is complete, and the finder that sees it being imported.

    The finder finds nothing itself: it only marks the spec that the others find. It leaves when nothing is pending.
    """

    def __init__(self, pending: dict[str, Callable[[ModuleType], None]]) -> None:
        self._pending = pending
        self._searched = ""

    def open(self) -> None:
        """Fill the tables of all modules that are complete, and see to it that the others follow."""
        for name in list(self._pending):
            module = sys.modules.get(name)
            if module is None:
                continue
            spec = module.__spec__
            if spec is not None and getattr(spec, "_initializing", False):
                _watch(spec, self._fill_if_loaded)
            else:
                self._fill(name, module)
        if self._pending and self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def _fill_if_loaded(self, spec: ModuleSpec) -> None:
        # A module whose import failed is gone again, and may be imported once more.
        module = sys.modules.get(spec.name)
        if module is not None:
            self._fill(spec.name, module)

    def _fill(self, name: str, module: ModuleType) -> None:
        fill = self._pending.pop(name)
        try:
            fill(module)
        except Exception:  # inside an import of Hummingbot, which must not fail for us
            logging.getLogger(__name__).exception(f"VALR could not be entered into {name}.")
        if not self._pending:
            # Not in place: another thread may be going through the list.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders find, and watch it if it is one of ours."""
        if fullname not in self._pending or fullname == self._searched:
            return None
        self._searched = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searched = ""
        if spec is not None:
            _watch(spec, self._fill_if_loaded)
        return spec


_doors = Doors(
    {
        "hummingbot.core.rate_oracle.rate_oracle": _add_rate_sources,
        "hummingbot.client.config.client_config_map": _add_rate_source_modes,
        "hummingbot.data_feed.candles_feed.candles_factory": _add_candles,
    }
)


def register() -> None:
    """Make ``valr`` and ``valr_loopback`` known as rate sources and as candles feeds, now or as soon as can be."""
    _doors.open()
