"""Hummingbot's order tracker, without its copies."""

from collections import ChainMap
from collections.abc import MutableMapping

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder


class ValrOrderTracker(ClientOrderTracker):
    """The base class copies all of a thousand ended orders twice for each update of one; these are views."""

    @property
    def all_orders(self) -> MutableMapping[str, InFlightOrder]:
        """Active orders and the lately ended ones, by client order id."""
        return ChainMap(self._in_flight_orders, self._cached_orders)

    @property
    def all_fillable_orders(self) -> MutableMapping[str, InFlightOrder]:
        """Every order that a trade may still concern, by client order id."""
        return ChainMap(self._in_flight_orders, self._cached_orders, self._lost_orders)
