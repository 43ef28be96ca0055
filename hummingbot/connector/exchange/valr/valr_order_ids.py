"""Client order ids as Hummingbot makes them, some of them made and journalled before anybody asks for them.

An order's id is on disk before its frame leaves. While the order waits that is a quarter of its way to the socket; so
after an order the next ones' ids are made and journalled, as many as were lately wanted at once. A process that dies
leaves them behind with those of its orders: VALR is asked for them after the next start, and does not know them.

``get_new_client_order_id`` asks the operating system who and where this process is for every order; that does not
change. The ids are the same.
"""

import time
from collections import Counter, deque

import hummingbot.connector.utils as hummingbot_utils
from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_order_journal import OrderJournal

# Of one side of one pair, and of all: each has to be looked up after a crash.
AHEAD = 10
AHEAD_OF_ALL = 40
# An older one would have the trades of that long looked through after a crash.
AHEAD_SECONDS = 600.0

Side = tuple[bool, str]


class ClientOrderIds:
    """Makes the client order ids of one connector."""

    def __init__(self, journal: OrderJournal) -> None:
        self._journal = journal
        self._instance: str = hummingbot_utils._bot_instance_id()
        self._beginnings: dict[Side, str] = {}
        self._ahead: dict[Side, deque[tuple[str, float]]] = {}
        self._most_wanted: dict[Side, int] = {}
        self._taken: list[Side] = []

    def new(self, is_buy: bool, trading_pair: str) -> str:
        """Return an id that no order had, and that is not in the journal."""
        side = (is_buy, trading_pair)
        beginning = self._beginnings.get(side) or self._beginning(side)
        moment: int = hummingbot_utils.get_tracking_nonce()
        return f"{beginning}{moment:x}{self._instance}"[: CONSTANTS.CLIENT_ORDER_ID_MAX_LENGTH]

    def take(self, is_buy: bool, trading_pair: str) -> str:
        """Return an id that no order had, from the journal if there is one: its order has to be placed now."""
        side = (is_buy, trading_pair)
        self._taken.append(side)
        ahead = self._ahead.get(side)
        return ahead.popleft()[0] if ahead else self.new(is_buy, trading_pair)

    def make_ahead(self) -> None:
        """Journal as many ids of each side that took some as it has ever taken between two of these calls.

        :raises OSError: they cannot be journalled; there are none then
        """
        now = time.monotonic()
        self._forget_older_than(now - AHEAD_SECONDS)
        room = AHEAD_OF_ALL - sum(map(len, self._ahead.values()))
        made: list[tuple[str, Side]] = []
        for side, taken in Counter(self._taken).items():
            most = self._most_wanted[side] = min(max(taken, self._most_wanted.get(side, 0)), AHEAD)
            missing = min(most - len(self._ahead.setdefault(side, deque())), room - len(made))
            made += [(self.new(*side), side) for _ in range(missing)]
        self._taken.clear()
        self._journal.add_all([(identifier, side[1]) for identifier, side in made])
        for identifier, side in made:
            self._ahead[side].append((identifier, now))

    def release(self) -> None:
        """Take back from the journal what was made ahead.

        :raises OSError: the journal cannot be written; VALR will be asked for these ids some day
        """
        self._forget_older_than(float("inf"))

    def _forget_older_than(self, moment: float) -> None:
        for ahead in self._ahead.values():
            while ahead and ahead[0][1] < moment:
                self._journal.remove(ahead.popleft()[0])

    def _beginning(self, side: Side) -> str:
        is_buy, trading_pair = side
        base, quote = hummingbot_utils.split_hb_trading_pair(trading_pair.upper())
        word = "B" if is_buy else "S"
        beginning = f"{CONSTANTS.CLIENT_ORDER_ID_PREFIX}{word}{base[0]}{base[-1]}{quote[0]}{quote[-1]}".replace("$", "")
        self._beginnings[side] = beginning
        return beginning
