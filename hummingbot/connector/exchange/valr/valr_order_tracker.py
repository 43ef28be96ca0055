"""Hummingbot's order tracker, without its copies and detours."""

from collections import ChainMap
from collections.abc import MutableMapping

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder


class ValrOrderTracker(ClientOrderTracker):
    """The base class copies all of a thousand ended orders twice for each update of one; these are views."""

    def fetch_order(
        self, client_order_id: str | None = None, exchange_order_id: str | None = None
    ) -> InFlightOrder | None:
        """Return the order with one of these ids; nearly always it is an active one, asked for by ours."""
        active: InFlightOrder | None = self._in_flight_orders.get(client_order_id)
        return active or super().fetch_order(client_order_id, exchange_order_id)

    @property
    def all_orders(self) -> MutableMapping[str, InFlightOrder]:
        """Active orders and the lately ended ones, by client order id."""
        return ChainMap(self._in_flight_orders, self._cached_orders)

    @property
    def all_fillable_orders(self) -> MutableMapping[str, InFlightOrder]:
        """Every order that a trade may still concern, by client order id."""
        return ChainMap(self._in_flight_orders, self._cached_orders, self._lost_orders)
