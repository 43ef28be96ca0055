"""Client order ids as Hummingbot makes them, at a fraction of the time.

``get_new_client_order_id`` asks the operating system who and where this process is for every order; that does not
change. The ids are the same.
"""

import hummingbot.connector.utils as hummingbot_utils
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS


class ClientOrderIds:
    """Makes the client order ids of one connector."""

    def __init__(self) -> None:
        self._instance: str = hummingbot_utils._bot_instance_id()
        self._beginnings: dict[tuple[bool, str], str] = {}

    def new(self, is_buy: bool, trading_pair: str) -> str:
        """Return an id that no order had."""
        beginning = self._beginnings.get((is_buy, trading_pair)) or self._beginning(is_buy, trading_pair)
        moment: int = hummingbot_utils.get_tracking_nonce()
        return f"{beginning}{moment:x}{self._instance}"[: CONSTANTS.CLIENT_ORDER_ID_MAX_LENGTH]

    def _beginning(self, is_buy: bool, trading_pair: str) -> str:
        base, quote = hummingbot_utils.split_hb_trading_pair(trading_pair.upper())
        side = "B" if is_buy else "S"
        beginning = f"{CONSTANTS.CLIENT_ORDER_ID_PREFIX}{side}{base[0]}{base[-1]}{quote[0]}{quote[-1]}".replace("$", "")
        self._beginnings[is_buy, trading_pair] = beginning
        return beginning
