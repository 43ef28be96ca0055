"""VALR as a source of Hummingbot's rate oracle: what every asset on VALR is worth in every other."""

import asyncio
import math
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.core.rate_oracle.sources.rate_source_base import RateSourceBase

if TYPE_CHECKING:
    from hummingbot.client.settings import ConnectorSetting
    from hummingbot.connector.exchange.valr.valr_exchange import ValrExchange

RATE_LIFETIME = 30.0
# A connector that reads keeps VALR's list of pairs for ever.
PAIRS_LIFETIME = 3600.0


class ValrRateSource(RateSourceBase):
    """The rates of all spot pairs of VALR, in one public call every half minute.

    :param clock: seconds that only grow
    """

    CONNECTOR = CONSTANTS.EXCHANGE_NAME

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._asking = asyncio.Lock()
        self._rates: dict[str, Decimal] = {}
        self._asked_at = -math.inf
        self._made_at = -math.inf
        self._setting: ConnectorSetting | None = None
        self._exchange: ValrExchange | None = None

    @property
    def name(self) -> str:
        """The name of the connector the rates come from."""
        return self.CONNECTOR

    async def get_prices(self, quote_token: str | None = None) -> dict[str, Decimal]:
        """Return the rate of every spot pair that has one by its trading pair, none while VALR does not answer.

        :param quote_token: ignored: ZAR is worth something in USD only through USDT-ZAR, which a filter would hide
        """
        # The oracle asks every second and its health check besides; a failure, too, is asked about again later only.
        async with self._asking:
            if self._clock() - self._asked_at >= RATE_LIFETIME:
                self._rates = await self._ask()
                self._asked_at = self._clock()
            return self._rates.copy()

    async def _ask(self) -> dict[str, Decimal]:
        try:
            rows = await self._current_exchange().get_all_pairs_prices()
        except (OSError, ValueError) as error:
            self.logger().warning(f"No rates from {self.name}: {error}")
            return {}
        if not rows:
            self.logger().warning(f"No rates from {self.name}: it lists no pair that has a price.")
        return {row["symbol"]: Decimal(row["price"]) for row in rows}

    def _current_exchange(self) -> "ValrExchange":
        """Return a connector that only reads; a new one each hour, and when the user has changed its settings."""
        from hummingbot.client.settings import AllConnectorSettings

        setting = AllConnectorSettings.get_connector_settings()[self.CONNECTOR]
        is_old = self._clock() - self._made_at >= PAIRS_LIFETIME
        if self._exchange is None or is_old or setting is not self._setting:
            self._made_at, self._setting = self._clock(), setting
            self._exchange = setting.non_trading_connector_instance_with_default_configuration()
        return self._exchange


class ValrLoopbackRateSource(ValrRateSource):
    """The rates of the loopback exchange, where ``conf/connectors/valr_loopback.yml`` says that it listens."""

    CONNECTOR = CONSTANTS.LOOPBACK_DOMAIN
