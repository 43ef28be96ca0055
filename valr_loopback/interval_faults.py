"""Faults that strike by themselves, not when a client does something: sockets end, pairs go inactive."""

from aiohttp import WSCloseCode

from valr_loopback.account_socket import AccountHub, AccountSession
from valr_loopback.exchange import Exchange
from valr_loopback.fault_kinds import FaultKind
from valr_loopback.faults import FaultPlan


class IntervalFaults:
    """Asks the plan at intervals and does what it says."""

    def __init__(self, exchange: Exchange, accounts: AccountHub, faults: FaultPlan) -> None:
        self._exchange = exchange
        self._accounts = accounts
        self._faults = faults
        self._inactive: set[str] = set()

    def switch_pairs(self) -> None:
        """Make pairs inactive as the plan has it, and active again afterwards; called a few times a second."""
        wanted = {fault.pair for fault in self._faults.standing(FaultKind.PAIR_INACTIVE)}
        for symbol in sorted(wanted ^ self._inactive):
            self._exchange.set_active(symbol, symbol not in wanted)
        self._inactive = wanted

    def spoil_sockets(self) -> None:
        """End or silence account sockets as the plan has it; called once a second."""
        for session in self._accounts.sessions:
            self._spoil(session)

    def _spoil(self, session: AccountSession) -> None:
        faults = self._faults
        if faults.strike(FaultKind.ACCOUNT_SOCKET_CLOSE):
            session.connection.abort()
        elif cleanly := faults.strike(FaultKind.ACCOUNT_SOCKET_CLOSE_CLEANLY):
            session.connection.close(WSCloseCode(int(faults.form(cleanly))))
        elif faults.strike(FaultKind.ACCOUNT_SOCKET_SILENT):
            session.connection.mute()
