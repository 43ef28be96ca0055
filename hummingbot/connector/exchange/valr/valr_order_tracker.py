"""Hummingbot's order tracker, without its copies and detours."""

from collections import ChainMap
from collections.abc import MutableMapping

from hummingbot.connector.client_order_tracker import ClientOrderTracker
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, TradeUpdate

# An order that goes straight to one of these was never open. A tuple: Hummingbot's states are slow to hash.
NEVER_OPEN = (OrderState.PENDING_CREATE, OrderState.CANCELED, OrderState.FAILED, OrderState.PENDING_CANCEL)


class ValrOrderTracker(ClientOrderTracker):
    """Tells the strategy first and the log afterwards: a line takes as long to write as all else that an event takes.

    Where the base class copies all of a thousand ended orders twice for each update of one, these are views.
    """

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

    def process_trade_update(self, trade_update: TradeUpdate) -> None:
        """Count a trade of an order in, and tell of it unless it was told before."""
        identifier = trade_update.client_order_id
        order = self._in_flight_orders.get(identifier) or self.all_fillable_orders.get(identifier)
        if order is None:
            return
        executed_before = order.executed_amount_base
        if order.update_with_trade_update(trade_update) and order.executed_amount_base > executed_before:
            self._trigger_filled_event(
                order,
                trade_update.fill_base_amount,
                trade_update.fill_price,
                trade_update.fee,
                trade_update.trade_id,
                trade_update.exchange_order_id,
            )
            self.logger().info(
                f"The {order.trade_type.name} order {order.client_order_id} amounting to "
                f"{order.executed_amount_base}/{order.amount} {order.base_asset} has been filled at "
                f"{trade_update.fill_price} {order.quote_asset}."
            )

    def _trigger_order_creation(
        self, tracked_order: InFlightOrder, previous_state: OrderState, new_state: OrderState
    ) -> None:
        if previous_state is OrderState.PENDING_CREATE and new_state not in NEVER_OPEN:
            self._trigger_created_event(tracked_order)
            self.logger().info(tracked_order.build_order_created_message())
