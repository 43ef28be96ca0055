"""Faults that strike by themselves, not when a client does something: sockets end, pairs go inactive."""

from aiohttp import WSCloseCode

from valr_loopback.account_socket import AccountHub
from valr_loopback.connection import Connection
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan, Subject
from valr_loopback.trade_socket import TradeHub, TradeSession

_ENDS = tuple[FaultKind, FaultKind, FaultKind]
_OF_ACCOUNT_SOCKETS: _ENDS = (
    FaultKind.ACCOUNT_SOCKET_CLOSE,
    FaultKind.ACCOUNT_SOCKET_CLOSE_CLEANLY,
    FaultKind.ACCOUNT_SOCKET_SILENT,
)
_OF_TRADE_SOCKETS: _ENDS = (
    FaultKind.TRADE_SOCKET_CLOSE,
    FaultKind.TRADE_SOCKET_CLOSE_CLEANLY,
    FaultKind.TRADE_SOCKET_SILENT,
)


class IntervalFaults:
    """Asks the plan at intervals and does what it says."""

    def __init__(self, exchange: Exchange, accounts: AccountHub, trades: TradeHub, faults: FaultPlan) -> None:
        self._exchange = exchange
        self._accounts = accounts
        self._trades = trades
        self._faults = faults
        self._inactive: set[str] = set()

    def switch_pairs(self) -> None:
        """Make pairs inactive as the plan has it, and active again afterwards; called a few times a second."""
        listed = self._exchange.engine.pairs
        wanted = {fault.pair for fault in self._faults.standing(FaultKind.PAIR_INACTIVE) if fault.pair in listed}
        for symbol in sorted(wanted ^ self._inactive):
            self._exchange.set_active(symbol, symbol not in wanted)
        self._inactive = wanted

    def spoil_sockets(self) -> None:
        """End or silence sockets, and end subscriptions, as the plan has it; called once a second."""
        for account in self._accounts.sessions:
            self._spoil(account.connection, _OF_ACCOUNT_SOCKETS)
        for session in list(self._trades.sessions):
            self._spoil(session.connection, _OF_TRADE_SOCKETS)
            self._unsubscribe(session)

    def _spoil(self, connection: Connection, kinds: _ENDS) -> None:
        faults = self._faults
        cut, closed, silenced = kinds
        if faults.strike(cut):
            connection.abort()
        elif cleanly := faults.strike(closed):
            connection.close(WSCloseCode(int(faults.form(cleanly))))
        elif faults.strike(silenced):
            connection.mute()

    def _unsubscribe(self, session: TradeSession) -> None:
        if session.subscribed and self._faults.strike(FaultKind.TRADE_SOCKET_FORGETS):
            session.forget()
        if self._faults.holds(FaultKind.TRADE_SOCKET_UNSUBSCRIBES):
            for event, symbol in session.channels():
                if self._faults.strike(FaultKind.TRADE_SOCKET_UNSUBSCRIBES, Subject(event=event, pair=symbol)):
                    session.unsubscribe(event, symbol)
