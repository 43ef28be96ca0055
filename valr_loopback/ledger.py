"""The truth about an account in one JSON object, for reports that check what a client believes."""

from valr_loopback.decimals import ZERO, to_text
from valr_loopback.exchange import Exchange
from valr_loopback.messages import Json
from valr_loopback.orders import AccountTrade, Order
from valr_loopback.times import iso


def _order(order: Order) -> Json:
    return {
        "orderId": order.id,
        "customerOrderId": order.client_order_id,
        "currencyPair": order.pair.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "timeInForce": order.time_in_force.value,
        "price": to_text(order.price),
        "quantity": to_text(order.quantity),
        "filled": to_text(order.executed),
        "total": to_text(order.total),
        "status": order.status.value,
        "failedReason": order.failed_reason,
        "createdAt": iso(order.created_ms),
        "endedAt": None if order.ended_ms is None else iso(order.ended_ms),
    }


def _trade(trade: AccountTrade) -> Json:
    row: Json = {
        "id": trade.id,
        "orderId": trade.order_id,
        "customerOrderId": trade.client_order_id,
        "currencyPair": trade.pair.symbol,
        "side": trade.side.value,
        "price": to_text(trade.price),
        "quantity": to_text(trade.quantity),
        "isMaker": trade.is_maker,
        "tradedAt": iso(trade.at_ms),
    }
    if trade.fee < ZERO:
        return row | {"makerReward": to_text(-trade.fee), "makerRewardCurrency": trade.fee_currency}
    return row | {"fee": to_text(trade.fee), "feeCurrency": trade.fee_currency}


def ledger(exchange: Exchange, account_id: str) -> Json:
    """Return every order and trade of an account, its balances, and how many orders were ever open at once."""
    portfolio = exchange.engine.portfolios[account_id]
    return {
        "accountId": account_id,
        "orders": [_order(order) for order in portfolio.orders.values()],
        "trades": [_trade(trade) for trade in portfolio.trades],
        "balances": {
            code: {
                "available": to_text(wallet.available),
                "reserved": to_text(wallet.reserved),
                "total": to_text(wallet.total),
            }
            for code, wallet in exchange.balances(account_id).items()
        },
        "openOrders": len(portfolio.open),
        "mostOpenOrders": portfolio.most_open,
    }
