"""The life of every order: evidence in, outcomes and wishes out (design, section 4). Pure: no I/O, no clock, no log.

The shell (``OrderKeeper``) hands in what VALR said together with the time, publishes the outcomes in the order they
come, and does what :meth:`OrderLifecycle.due` wishes for. The rules, each where it lives:

* an acknowledgement is not a state .............. ``placement_accepted``, ``cancel_acknowledged``
* open on the first proof ........................ ``_prove_open``
* ended only on proof, never by absence or time .. ``_apply_end``, ``cancel_done``, ``open_orders``, ``not_found``
* an id that VALR contradicts is asked for ....... ``_doubt_id``
* what cannot be understood is looked up ......... ``_on_unknown_word``, ``failure``, ``doubt_all``
* terminal is final, older reports lose .......... ``_apply_report``
* fills come from trades, each once .............. ``_apply_trade``
* the end is not told before its fills ........... ``_conclude``
* an event before the reply that names its order . ``_claim``, ``_link``
* a cancel is seen to until the order has ended .. ``_settle_cancel``, ``_cancel_again``, ``_cancel_overdue``
* a placement in doubt is looked up, never resent  ``placement_doubtful``, ``not_found``
* an order cancelled before it left is never sent  ``is_to_be_sent``, ``placement_refused``
* strays are cancelled ........................... ``suspect``, ``_resurrect``, ``_cancel_stray``
* foreign orders are untouched ................... ``_find``, ``_claim``
* after a reconnect or restart everything is asked ``reconcile``, ``track``
* one created and one terminal event per order ... ``_publish``, ``_close``
"""

from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal

from hummingbot.connector.exchange.valr.valr_back_off import back_off
from hummingbot.connector.exchange.valr.valr_messages import (
    AccountTrade,
    OpenOrders,
    OrderProcessed,
    OrderReport,
    OrderWord,
)
from hummingbot.connector.exchange.valr.valr_order_outcomes import (
    Concern,
    End,
    Ended,
    FetchTrades,
    Fill,
    Level,
    LookUp,
    Notice,
    Outcome,
    Progress,
    SendCancel,
    Stage,
    Wish,
)
from hummingbot.connector.exchange.valr.valr_order_record import Ending, OrderRecord, TradeFetch, WantedCancel

# All in seconds. VALR acknowledges in about 10 ms (valr-api.md 6.2): proof that is a second late is worth a lookup.
PROOF_DEADLINE = 1.0
CANCEL_DEADLINE = 1.0
CANCEL_DEADLINE_MAX = 15.0
RESEND_CANCEL_AFTER = 0.5
RESEND_CANCEL_AFTER_MAX = 5.0
# Lookups may bring no answer while VALR would take a cancel well: it waits for them only so long.
ANSWER_PATIENCE = 1.0
# A list of open orders, or the last fill, may run ahead of the event that ends the order.
HINT_DELAY = 0.25
# Lists come several times a second: absence from one is worth a lookup only so often.
HINT_SPACING = 5.0
# Unreadable messages can come in crowds: each order is looked up because of them only so often, and so are all of them
# together, and the trades of all pairs. VALR allows 20 calls a second, for everything.
DOUBT_SPACING = 1.0
DOUBTS_A_SECOND = 3.0
UNSEEN_A_SECOND = 1.0
RECONCILED_A_SECOND = 12.0
FETCH_SPACING = 0.2
LOOKUP_RETRY = 0.5
LOOKUP_RETRY_MAX = 10.0
# VALR is eventually consistent: a new order may be invisible to lookups for 5 s and more (valr-api.md 3.6, 9).
PATIENCE = 10.0
PATIENCE_ACCEPTED = 30.0
# An earlier run has seen the order open.
PATIENCE_RESTORED = 300.0
MISSES_NEEDED = 4
# Market orders are immediate-or-cancel: one that is still "Partially Filled" after this, and that is in no list of open
# orders, has lost its remainder (valr-api.md 6.2).
IMMEDIATE_LIFETIME = 5.0
# The same where nobody but VALR says so of the order, and no list of open orders has come at all.
UNLISTED_LIFETIME = 30.0
NOT_FOUND_NOTICE_INTERVAL = 60.0

ENDED_KEPT = 2000
UNCLAIMED_KEPT = 1000
UNCLAIMED_KEPT_EACH = 50

CANCELS_DISBELIEVED_AFTER = 4
FETCHES_DOUBTED_AFTER = 3
TOTALS_DOUBTED_AFTER = 4


def _back_off(attempts: int) -> float:
    return back_off(attempts, LOOKUP_RETRY, LOOKUP_RETRY_MAX)


Evidence = OrderReport | AccountTrade | OrderProcessed


def _shows_life(message: Evidence) -> bool:
    """Whether evidence says that an order is, or was, on the book."""
    if isinstance(message, OrderReport):
        return not message.word.is_terminal or bool(message.filled_quantity)
    return isinstance(message, AccountTrade) or message.success


class OrderLifecycle:
    """Keeps one record per order of this connector and decides what is true of it.

    Times given as ``now`` are monotonic seconds of one clock of the caller's choice; times inside messages are Unix
    seconds and are compared only with each other.
    """

    def __init__(self) -> None:
        self._records: dict[str, OrderRecord] = {}
        self._ended: OrderedDict[str, OrderRecord] = OrderedDict()
        self._agenda: dict[str, OrderRecord] = {}
        self._by_order_id: dict[str, OrderRecord] = {}
        self._unclaimed: OrderedDict[str, list[Evidence]] = OrderedDict()
        self._fetches: dict[str, TradeFetch] = {}
        self._last_fetches: dict[str, float] = {}
        self._unknown_words: set[str] = set()
        # The last reconciliation, which may be yet to come, and the seconds that its calls are worth.
        self._reconciled_at = float("-inf")
        self._reconciliation = 0.0

    # --- What the shell may ask ---------------------------------------------------------------------------------------
    @property
    def live_ids(self) -> list[str]:
        """Client ids of every order, strays included, whose end has not been told."""
        return list(self._records)

    @property
    def known_ids(self) -> list[str]:
        """The same without those that only an earlier run's notes tell of, most of which were never sent."""
        return [record.client_order_id for record in self._records.values() if not record.is_unseen_stray]

    @property
    def shown_strays(self) -> list[str]:
        """Client ids of the strays that VALR has shown in this run, or numbered."""
        return [each.client_order_id for each in self._records.values() if each.stray and not each.is_unseen_stray]

    @property
    def has_given_up(self) -> bool:
        """Whether an order was told as failed because VALR did not know it: it may appear after all."""
        return any(not record.proven_end for record in self._ended.values())

    def is_live(self, client_order_id: str) -> bool:
        """Whether the order's end has not been told yet."""
        return client_order_id in self._records

    def is_stray(self, client_order_id: str) -> bool:
        """Whether the order is one that may live without the bot having wanted it, and has not ended yet."""
        record = self._records.get(client_order_id)
        return record is not None and record.stray

    def is_proven_gone(self, client_order_id: str) -> bool:
        """Whether VALR has proven that the order no longer rests, even if its last fills are still being fetched."""
        record = self._records.get(client_order_id)
        if record is None:
            ended = self._ended.get(client_order_id)
            return ended is not None and ended.proven_end
        ending = record.ending
        return ending is not None and not (ending.by_answer and ending.denials)

    def is_in_doubt(self, client_order_id: str) -> bool:
        """Whether nothing has proven yet what became of a placement."""
        record = self._records.get(client_order_id)
        return record is not None and not record.proven_open and record.ending is None

    def is_to_be_sent(self, client_order_id: str) -> bool:
        """Whether an order that waited to be sent, or to be sent again, still has to be.

        Not if it was cancelled, nor if VALR has shown it or its end meanwhile: then an attempt arrived after all.
        """
        record = self._records.get(client_order_id)
        return record is not None and not record.proven_open and record.ending is None and record.cancel is None

    def next_due(self) -> float | None:
        """When :meth:`due` will next have something to wish for, None if nothing is pending."""
        self._clear_agenda()
        records = self._agenda.values()
        times = [due for record in records for due in (record.lookup_due, record.cancel_due) if due is not None]
        times += [fetch.due for fetch in self._fetches.values() if not fetch.running]
        return min(times, default=None)

    def due(self, now: float) -> list[Wish]:
        """Return what is to be asked of VALR by ``now``; each wish is outstanding until its result is handed in."""
        wishes: list[Wish] = []
        self._clear_agenda()
        for record in self._agenda.values():
            if record.cancel is not None and (due := record.cancel_due) is not None and due <= now:
                wishes.append(self._wish_cancel(record, record.cancel))
            if (due := record.lookup_due) is not None and due <= now:
                wishes.append(self._wish_lookup(record, now))
        for trading_pair, fetch in self._fetches.items():
            if fetch.due <= now and not fetch.running:
                fetch.running = True
                self._last_fetches[trading_pair] = now
                again = fetch.attempts > 0 or self._are_all_trades_needed(trading_pair)
                wishes.append(FetchTrades(trading_pair, self.trades_since(trading_pair), again))
        return wishes

    def _clear_agenda(self) -> None:
        # Most orders rest and ask for nothing: what there is to do must not cost more with each of them.
        for record in [record for record in self._agenda.values() if record.ended or record.is_idle]:
            del self._agenda[record.client_order_id]

    def wish_lookup(self, client_order_id: str, now: float) -> LookUp | None:
        """Return a lookup of one order out of turn, None if one is under way or the order has ended."""
        record = self._records.get(client_order_id)
        return None if record is None or record.checking else self._wish_lookup(record, now)

    def abandon_wishes(self, now: float) -> None:
        """Nobody is carrying out the outstanding wishes any more: wish for them again."""
        for record in self._records.values():
            if record.checking:
                record.checking = False
                record.check_by(now)
            if record.cancel is not None and record.cancel.sending:
                record.cancel.sending = False
                record.check_by(now)
        for fetch in self._fetches.values():
            fetch.running = False

    @staticmethod
    def _wish_lookup(record: OrderRecord, now: float) -> LookUp:
        record.drop_checks()
        record.checking = True
        record.last_check = now
        ending = record.ending
        unexplained = ending is not None and (
            record.reported > record.filled
            or (ending.filled is None and (ending.word is OrderWord.FILLED or record.failed_checks > 0))
        )
        thorough = record.misses >= MISSES_NEEDED
        order_id = "" if record.is_id_doubted else record.order_id
        return LookUp(record.client_order_id, order_id, record.trading_pair, unexplained, thorough)

    def _wish_cancel(self, record: OrderRecord, cancel: WantedCancel) -> SendCancel:
        cancel.sending = True
        cancel.due = cancel.resend_at = None
        cancel.attempts += 1
        order_id = "" if record.is_id_doubted else record.order_id
        return SendCancel(record.client_order_id, order_id, record.trading_pair, cancel.attempts % 2 == 0)

    def trades_since(self, trading_pair: str) -> float:
        """How far back (Unix seconds) trades of a pair can concern a live order; infinity if none lives.

        A fill cannot be older than its order; a minute covers the difference of the two clocks.
        """
        created = [record.created_at for record in self._records.values() if record.trading_pair == trading_pair]
        return min(created, default=float("inf")) - 60.0

    # --- Orders come in -----------------------------------------------------------------------------------------------
    def track(
        self,
        client_order_id: str,
        trading_pair: str,
        quantity: Decimal,
        now: float,
        *,
        created_at: float,
        order_id: str = "",
        immediate: bool = False,
        told: Stage = Stage.SUBMITTED,
        trades: Iterable[tuple[str, Decimal]] = (),
    ) -> list[Outcome]:
        """Put an order on record: a new one, or one restored with what had been told of it.

        :param created_at: Unix seconds; bounds the search for its trades
        :param immediate: it cannot rest (a market order)
        :param trades: id and quantity of every fill already told
        """
        if client_order_id in self._records:
            return []
        record = OrderRecord(
            client_order_id, trading_pair, quantity, immediate, created_at=created_at, agenda=self._agenda
        )
        record.told = told
        record.proven_open = record.is_restored = told > Stage.SUBMITTED
        record.open_since = now
        for trade_id, amount in trades:
            record.trade_ids.add(trade_id)
            record.filled += amount
        # What has traded VALR has had, whoever was told of it.
        record.shown = record.filled > 0
        self._records[client_order_id] = record
        outcomes: list[Outcome] = []
        if order_id:
            record.accepted = True
            record.settled_at = now
            outcomes = self._link(record, order_id, now)
        if told is Stage.CANCEL_PENDING:
            record.want_cancel(WantedCancel(due=None))
        return outcomes

    # --- Placement ----------------------------------------------------------------------------------------------------
    def placement_accepted(self, client_order_id: str, order_id: str, now: float, *, proof: bool) -> list[Outcome]:
        """VALR took the order and numbered it; ``proof`` says whether that also puts it on the book (v2 201)."""
        record = self._records.get(client_order_id)
        if record is None:
            ended = self._ended.get(client_order_id)
            if ended is None or not ended.never_seen:
                return []
            # It was told as failed before: if it lives, nobody wants it any more.
            record = self._resurrect(ended, now)
        record.accepted = True
        record.settled_at = now
        outcomes = self._link(record, order_id, now) if order_id else []
        if proof:
            outcomes += self._prove_open(record, now, by_answer=True)
        if not record.ended and record.immediate:
            record.check_by(now + PROOF_DEADLINE)
        elif not record.ended and not record.proven_open:
            record.prove_by(now + PROOF_DEADLINE)
        return outcomes

    def placement_refused(
        self, client_order_id: str, reason: str, now: float, error_type: str = "", order_id: str = ""
    ) -> list[Outcome]:
        """VALR said no, or the order never left: it failed, unless something already proved that it is open."""
        record = self._records.get(client_order_id)
        if record is None:
            return []
        if order_id and not record.order_id:
            record.order_id = order_id
            self._by_order_id[order_id] = record
        if record.ending is not None:
            return []
        if record.proven_open or record.filled:
            record.check_by(now)
            return [
                Notice(
                    Level.WARNING,
                    f"VALR refused order {client_order_id} ({reason}) but had shown it open; looking it up",
                )
            ]
        record.ending = Ending(OrderWord.FAILED, Decimal(0), reason)
        record.never_seen = True
        return self._conclude(record, now, error_type=error_type)

    def placement_doubtful(self, client_order_id: str, now: float) -> list[Outcome]:
        """The order left but nothing usable came back: it may be live. Never sent again; looked up at once."""
        record = self._records.get(client_order_id)
        if record is not None:
            record.settled_at = now
            record.check_by(now)
        return []

    # --- Cancelling ---------------------------------------------------------------------------------------------------
    def request_cancel(self, client_order_id: str, now: float) -> SendCancel | None:
        """The order is no longer wanted. Return the cancel to send, None if one is under way or the order has ended."""
        record = self._records.get(client_order_id)
        if record is None or record.ending is not None:
            return None
        cancel = record.cancel
        if cancel is None:
            cancel = WantedCancel(due=now)
            record.want_cancel(cancel)
        cancel.wanted = True
        if cancel.sending or cancel.attempts:
            return None
        return self._wish_cancel(record, cancel)

    def unwant(self, client_order_id: str, now: float) -> None:
        """The order is no longer wanted: its cancel is among the wishes from now on."""
        record = self._records.get(client_order_id)
        if record is not None and record.ending is None and record.cancel is None:
            record.want_cancel(WantedCancel(due=now))

    def cancel_acknowledged(self, client_order_id: str, now: float) -> list[Outcome]:
        """VALR took the request to cancel. The order is as live as before, until something proves otherwise."""
        record = self._records.get(client_order_id)
        if record is None:
            return []
        self._settle_cancel(record, now, patience=CANCEL_DEADLINE, acknowledged=True)
        return self._publish(record)

    def cancel_done(self, client_order_id: str, now: float) -> list[Outcome]:
        """VALR proved the cancel (v2 200). How much had been filled is still to be asked."""
        record = self._records.get(client_order_id)
        if record is None:
            return []
        self._settle_cancel(record, now, patience=CANCEL_DEADLINE, acknowledged=True)
        if record.ending is not None:
            return []
        # Without VALR's id nothing is told yet; the lookup that must follow brings it.
        outcomes = self._prove_open(record, now, by_answer=True) if record.order_id else []
        record.ending = Ending(OrderWord.CANCELLED, None, by_answer=True)
        return outcomes + self._conclude(record, now)

    def cancel_refused(self, client_order_id: str, now: float, *, not_found: bool) -> list[Outcome]:
        """VALR did not cancel: the order may have ended, or never arrived, or still live. Look it up."""
        record = self._records.get(client_order_id)
        if record is None:
            return []
        self._settle_cancel(record, now)
        cancel = record.cancel
        if cancel is not None and cancel.wanted:
            # It was answered at once: sent again as soon each time, it would use up what its lookups need.
            cancel.resend_at = now + back_off(max(cancel.attempts, 1), ANSWER_PATIENCE, CANCEL_DEADLINE_MAX)
        if not_found:
            record.cancel_found_nothing_at = now
        return []

    def cancel_doubtful(self, client_order_id: str, now: float) -> list[Outcome]:
        """The cancel left but nothing usable came back."""
        record = self._records.get(client_order_id)
        if record is not None:
            self._settle_cancel(record, now, patience=HINT_DELAY)
        return []

    def cancel_unsent(self, client_order_id: str, now: float) -> list[Outcome]:
        """The cancel never reached VALR; it is sent again after a growing pause."""
        record = self._records.get(client_order_id)
        if record is not None and record.cancel is not None:
            record.cancel.sending = False
            pause = back_off(record.cancel.attempts, RESEND_CANCEL_AFTER, RESEND_CANCEL_AFTER_MAX)
            record.cancel_by(record.cancel, now + pause)
        return []

    def cancel_failed(self, order_id: str, client_order_id: str, now: float) -> list[Outcome]:
        """FAILED_CANCEL_ORDER: a cancel did not work, and it does not say why. Look up; if it lives, cancel again."""
        record = self._live(order_id, client_order_id)
        if record is not None:
            if record.cancel is not None:
                record.cancel.deadline = now
            record.check_by(now)
        return []

    @staticmethod
    def _settle_cancel(record: OrderRecord, now: float, *, patience: float = 0.0, acknowledged: bool = False) -> None:
        cancel = record.cancel
        if cancel is None:
            # It was dropped while it was being sent, and may have worked.
            record.check_by(now + patience)
            return
        cancel.sending = False
        cancel.acknowledged = cancel.acknowledged or acknowledged
        cancel.deadline = now + back_off(max(cancel.attempts, 1), patience, CANCEL_DEADLINE_MAX)
        if cancel.wanted:
            cancel.resend_at = cancel.deadline + ANSWER_PATIENCE
        record.check_by(cancel.deadline)

    # --- Evidence from the stream and from lookups --------------------------------------------------------------------
    def event(self, message: Evidence, now: float) -> list[Outcome]:
        """Take an event of the account socket; one about an order that nobody knows yet is kept until it is named."""
        record = self._find(message)
        if record is None:
            return self._claim(message)
        if record.ended and record.never_seen and _shows_life(message):
            record = self._resurrect(record, now)
        outcomes = [] if record.order_id else self._link(record, message.order_id, now)
        if type(message) is not AccountTrade and message.order_id != record.order_id:
            return self._doubt_id(record, now)
        if type(message) is OrderReport:
            return outcomes + self._apply_report(record, message, now, looked_up=False)
        if type(message) is AccountTrade:
            return outcomes + self._apply_trade(record, message, now)
        return outcomes + self._apply_processed(record, message, now)

    def failure(self, order_id: str, client_order_id: str, reason: str, now: float) -> list[Outcome]:
        """FAILED_ORDER or an unreadable message: it does not say what is true. Look it up."""
        record = self._live(order_id, client_order_id)
        if record is not None:
            record.reason = reason or record.reason
            record.check_by(now)
        return []

    def doubt_all(self, now: float) -> None:
        """Something unreadable concerns an order that nobody can name: look at all of them, but not over and over."""
        spacing = max(DOUBT_SPACING, len(self._records) / DOUBTS_A_SECOND)
        for record in self._records.values():
            record.check_by(max(now, record.last_check + spacing))
        self.doubt_trades(now)

    def doubt_trades(self, now: float) -> None:
        """A trade does not say whose it is: ask for those of each pair with a live order, but not over and over."""
        trading_pairs = {record.trading_pair for record in self._records.values()}
        for trading_pair in trading_pairs:
            self._fetch_trades(trading_pair, now, spacing=len(trading_pairs) / DOUBTS_A_SECOND)
            fetch = self._fetches[trading_pair]
            fetch.doubted = fetch.doubted or fetch.running

    def looked_up(self, client_order_id: str, report: OrderReport, now: float) -> list[Outcome]:
        """Take the answer to a :class:`LookUp`."""
        record = self._records.get(client_order_id)
        if record is None:
            return []
        record.checking = False
        record.misses = 0
        outcomes = self._link(record, report.order_id, now)
        if report.order_id != record.order_id:
            if not record.is_id_doubted:
                record.failed_checks += 1
                return self._doubt_id(record, now + _back_off(record.failed_checks))
            # Asked for the order by our own id, VALR names this one.
            self._by_order_id.pop(record.order_id, None)
            record.order_id = report.order_id
            self._by_order_id[report.order_id] = record
        record.is_id_doubted = False
        outcomes += self._apply_report(record, report, now, looked_up=True)
        return outcomes

    @staticmethod
    def _doubt_id(record: OrderRecord, when: float) -> list[Outcome]:
        """VALR calls our order by an id that is not the one we know: which is right it is asked by our own."""
        if not record.ended:
            record.is_id_doubted = True
            record.check_by(max(when, record.last_check + DOUBT_SPACING))
        return []

    def not_found(self, client_order_id: str, now: float) -> list[Outcome]:
        """Neither status nor history knows the order.

        An order that VALR has shown stays so. One that never showed, or that nothing but the answer to its placement
        or an earlier run has proven open, is failed after much patience, several misses and a cancel that found
        nothing either; only then is it certain enough that nothing of it is live.
        """
        record = self._records.get(client_order_id)
        if record is None:
            return []
        record.checking = record.is_id_doubted = False
        record.misses += 1
        pause = _back_off(record.misses)
        if record.is_unseen_stray:
            pause = max(pause, self._round_of_unseen())
        record.check_by(now + pause)
        if record.shown or record.ending is not None:
            self._cancel_overdue(record, now)
            return self._notice_not_found(record, now)
        if record.settled_at is None:
            return []
        waited_until = record.settled_at + self._patience(record)
        if record.misses < MISSES_NEEDED or now < waited_until:
            self._cancel_overdue(record, now)
            return []
        if record.cancel_found_nothing_at is None or record.cancel_found_nothing_at < waited_until:
            self._cancel_again(record, now)
            return []
        record.ending = Ending(OrderWord.FAILED, Decimal(0), "VALR does not know the order")
        record.never_seen = True
        return self._conclude(record, now, proven=False)

    @staticmethod
    def _patience(record: OrderRecord) -> float:
        if record.is_restored:
            return PATIENCE_RESTORED
        return PATIENCE_ACCEPTED if record.accepted else PATIENCE

    @staticmethod
    def _cancel_again(record: OrderRecord, now: float) -> None:
        if record.cancel is None:
            # Odd, so that it goes over REST: its answer is proof.
            record.want_cancel(WantedCancel(due=now, attempts=1, wanted=False))
        elif not record.cancel.sending:
            pause = back_off(record.cancel.attempts - 1, RESEND_CANCEL_AFTER, RESEND_CANCEL_AFTER_MAX)
            record.cancel_by(record.cancel, now + pause)

    def _cancel_overdue(self, record: OrderRecord, now: float) -> None:
        # The lookup did not tell whether the cancel has worked: the order may be as live as before.
        cancel = record.cancel
        if cancel is not None and cancel.wanted and cancel.is_overdue(now) and record.ending is None:
            self._cancel_again(record, now)

    def _notice_not_found(self, record: OrderRecord, now: float) -> list[Outcome]:
        last = record.not_found_notice_at
        if record.misses < MISSES_NEEDED or (last is not None and now - last < NOT_FOUND_NOTICE_INTERVAL):
            return []
        record.not_found_notice_at = now
        return [
            Notice(
                Level.WARNING,
                f"VALR's lookups do not know order {record.client_order_id} ({record.order_id}) of "
                f"{record.trading_pair} although it had been proven open; it is kept and looked up again",
            )
        ]

    def lookup_failed(self, client_order_id: str, now: float) -> list[Outcome]:
        """A lookup brought no answer: no evidence either way. Try again with back-off."""
        record = self._records.get(client_order_id)
        if record is not None:
            record.checking = False
            record.failed_checks += 1
            record.check_by(now + _back_off(record.failed_checks))
            self._cancel_overdue(record, now)
        return []

    def open_orders(self, message: OpenOrders, now: float, heard_at: float | None = None) -> list[Outcome]:
        """Take a list of open orders: it proves the listed open and ends none; absence is a hint to look up.

        A row with a word of an end contradicts its list: the order is looked up.

        :param heard_at: when the list came, by default now; what is not in it may have been opened since
        """
        heard_at = now if heard_at is None else heard_at
        outcomes: list[Outcome] = []
        listed: set[str] = set()
        for report in message.orders:
            record = self._by_order_id.get(report.order_id)
            if record is not None and record.listed is report and record.proven_open:
                # The very row of the list before: it has said all it can say.
                record.is_listed = True
                listed.add(record.client_order_id)
                continue
            if not report.word.is_terminal:
                outcomes += self.event(report, now)
            record = self._find(report)
            if record is not None:
                listed.add(record.client_order_id)
                if not record.ended:
                    if report.word.is_terminal:
                        outcomes += self._link(record, report.order_id, now)
                        record.check_by(now)
                    record.listed = report
                    record.is_listed = True
                    # The list itself is the proof, whatever word a row carries.
                    outcomes += self._prove_open(record, now)
        for client_order_id, record in self._records.items():
            if client_order_id not in listed and record.proven_open and record.open_since <= heard_at:
                record.is_listed = False
                record.check_by(max(heard_at + HINT_DELAY, record.last_check + HINT_SPACING))
        return outcomes

    def ids_in(self, message: OpenOrders) -> set[str]:
        """Client ids of our orders in a list of open orders, also where the rows do not carry them."""
        return {record.client_order_id for report in message.orders if (record := self._find(report)) is not None}

    # --- Strays -------------------------------------------------------------------------------------------------------
    def suspect(self, client_order_id: str, trading_pair: str, created_at: float, now: float) -> None:
        """An earlier run sent this order and did not see it end, and it was not restored. If it lives, it is a stray.

        :param created_at: Unix seconds of its placement
        """
        if client_order_id not in self._records and client_order_id not in self._ended:
            self._add_stray(
                client_order_id,
                trading_pair,
                created_at,
                now,
                first_check=now + self._round_of_unseen(),
            )

    def _round_of_unseen(self) -> float:
        # A killed process can leave dozens behind that it had noted ahead and never sent: live orders come first.
        return sum(record.is_unseen_stray for record in self._records.values()) / UNSEEN_A_SECOND

    def _resurrect(self, ended: OrderRecord, now: float) -> OrderRecord:
        # It was refused, or given up as unknown to VALR, told as failed, and is there after all.
        self._ended.pop(ended.client_order_id, None)
        self._by_order_id.pop(ended.order_id, None)
        record = self._add_stray(ended.client_order_id, ended.trading_pair, ended.created_at, now)
        record.trade_ids, record.filled = ended.trade_ids, ended.filled
        return record

    def _add_stray(
        self, client_order_id: str, trading_pair: str, created_at: float, now: float, first_check: float | None = None
    ) -> OrderRecord:
        record = OrderRecord(
            client_order_id, trading_pair, Decimal(0), immediate=False, created_at=created_at, agenda=self._agenda
        )
        record.stray = True
        record.settled_at = now
        record.check_by(now if first_check is None else first_check)
        self._records[client_order_id] = record
        return record

    @staticmethod
    def _cancel_stray(record: OrderRecord, now: float) -> list[Outcome]:
        if record.cancel is not None or record.ending is not None:
            return []
        record.want_cancel(WantedCancel(due=now))
        return [
            Notice(
                Level.ERROR,
                f"Order {record.client_order_id} ({record.order_id}) on {record.trading_pair} is ours, live on VALR "
                "and unknown to the bot: it is being cancelled",
                record.trading_pair,
                Concern.STRAY,
            )
        ]

    # --- Trades and reconciliation ------------------------------------------------------------------------------------
    def trades_fetched(self, trading_pair: str, now: float, *, complete: bool = True) -> list[Outcome]:
        """The trades that were fetched have been handed in by :meth:`event`; ask again if fills are still missing.

        :param complete: VALR answered, and these were all
        """
        for record in self._records.values():
            if record.trading_pair == trading_pair and record.sizeless_answers:
                record.trades_complete = record.trades_complete or complete
        fetch = self._fetches.get(trading_pair)
        if fetch is None:
            return []
        is_short, doubted = self._is_short_of_fills(trading_pair), fetch.doubted
        fetch.running = fetch.doubted = False
        if is_short:
            fetch.attempts += 1
            fetch.in_vain += 1
            pause = _back_off(fetch.in_vain)
            fetch.due = now + pause
            if fetch.attempts >= FETCHES_DOUBTED_AFTER:
                self._ask_for_totals(trading_pair, now, pause / 2)
        elif doubted:
            fetch.due = now + FETCH_SPACING
        else:
            del self._fetches[trading_pair]
        return []

    def _ask_for_totals(self, trading_pair: str, now: float, pause: float) -> None:
        # No trade explains what a status implied: let the order's summary say how much was executed.
        for record in self._records.values():
            if record.trading_pair == trading_pair and record.ending is not None:
                record.check_by(now + pause)

    def reconcile(self, now: float) -> None:
        """The stream was away: whatever happened meanwhile is silent. Ask for every order and every pair's trades.

        A stream that comes and goes has them asked for only as often as the calls allow that it takes.
        """
        calls = len(self.known_ids) + len({record.trading_pair for record in self._records.values()})
        if now > self._reconciled_at:
            self._reconciled_at = max(now, self._reconciled_at + self._reconciliation)
            self._reconciliation = calls / RECONCILED_A_SECOND
        when = self._reconciled_at
        for record in self._records.values():
            if not record.is_unseen_stray:
                record.check_by(when)
            self._fetch_trades(record.trading_pair, when)

    # --- Rules --------------------------------------------------------------------------------------------------------
    def _find(self, message: Evidence) -> OrderRecord | None:
        # Our own id first: VALR's may be one that a reply gave to another order. In VALR's app an order can be given
        # another id in place of ours, which nobody knows.
        record = self._records.get(message.client_order_id) or self._by_order_id.get(message.order_id)
        return record or self._ended.get(message.client_order_id)

    def _live(self, order_id: str, client_order_id: str) -> OrderRecord | None:
        record = self._records.get(client_order_id) or self._by_order_id.get(order_id)
        return None if record is None or record.ended else record

    def _claim(self, message: Evidence) -> list[Outcome]:
        # Only an order that has no id yet can turn out to be the owner; anything else is somebody else's.
        if not any(not record.order_id for record in self._records.values()):
            self._unclaimed.clear()
            return []
        messages = self._unclaimed.setdefault(message.order_id, [])
        if message not in messages:
            # Lists repeat what they said, several times a second.
            messages.append(message)
        del messages[:-UNCLAIMED_KEPT_EACH]
        while len(self._unclaimed) > UNCLAIMED_KEPT:
            self._unclaimed.popitem(last=False)
        return []

    def _link(self, record: OrderRecord, order_id: str, now: float) -> list[Outcome]:
        if not order_id or record.order_id:
            return []
        if order_id in self._by_order_id:
            # It is another order's: which is whose is asked by our own ids.
            return self._doubt_id(record, now)
        record.order_id = order_id
        self._by_order_id[order_id] = record
        outcomes: list[Outcome] = []
        for message in self._unclaimed.pop(order_id, []):
            outcomes += self.event(message, now)
        return outcomes

    def _apply_report(self, record: OrderRecord, report: OrderReport, now: float, *, looked_up: bool) -> list[Outcome]:
        if record.ended:
            return []
        word = report.word
        if word is OrderWord.UNKNOWN:
            return self._on_unknown_word(record, report, now, looked_up)
        stale = report.updated_at is not None and report.updated_at < record.updated_at
        if stale and word.is_terminal and not looked_up:
            record.check_by(now)
            return []
        if word.is_terminal:
            return self._apply_end(record, report, word, now, looked_up=looked_up)
        outcomes = self._prove_open(record, now)
        if not stale:
            record.updated_at = max(record.updated_at, report.updated_at or 0.0)
            record.size = report.original_quantity or record.size
            self._note_reported(record, report.filled_quantity, now)
        if looked_up:
            self._after_live_lookup(record, report, now)
        return outcomes + self._conclude(record, now)

    def _on_unknown_word(self, record: OrderRecord, report: OrderReport, now: float, looked_up: bool) -> list[Outcome]:
        if looked_up:
            record.failed_checks += 1
            self._cancel_overdue(record, now)
        record.check_by(now + _back_off(record.failed_checks))
        if report.status in self._unknown_words:
            return []
        self._unknown_words.add(report.status)
        return [
            Notice(
                Level.WARNING,
                f"VALR calls order {record.client_order_id} '{report.status}', a word this connector does not know; "
                "the order is kept as it is and looked up",
            )
        ]

    def _apply_end(
        self, record: OrderRecord, report: OrderReport, word: OrderWord, now: float, *, looked_up: bool
    ) -> list[Outcome]:
        filled = report.filled_quantity
        if word is OrderWord.FILLED and not report.executed_quantity:
            filled = report.original_quantity
            if filled == 0:
                # Old captures of market orders show "0" for both quantities of a filled order (valr-api.md 3.6).
                filled = record.quantity
            filled = filled or self._filled_in_doubt(record, now, looked_up) or None
        elif report.executed_quantity is None and (filled is None or report.original_quantity == 0):
            # Nor do two zeros say that nothing was executed: market orders by quote amount show them.
            filled = self._filled_in_doubt(record, now, looked_up)
        if filled is None and looked_up:
            record.failed_checks += 1
        if looked_up and report.executed_quantity is not None:
            # The summary's total outranks what the quantities of a status seemed to imply.
            record.ending = Ending(word, filled, report.failed_reason or record.reason)
            record.reported = report.executed_quantity
        elif record.ending is None or record.ending.filled is None:
            record.ending = Ending(word, filled, report.failed_reason or record.reason)
        record.updated_at = max(record.updated_at, report.updated_at or 0.0)
        self._note_reported(record, filled, now)
        return self._conclude(record, now)

    def _filled_in_doubt(self, record: OrderRecord, now: float, looked_up: bool) -> Decimal | None:
        """How much has been filled when VALR says that an order has ended and not how much of it was filled.

        Its summary is asked for (``_wish_lookup``); when that stays silent too, the trades have the last word.
        """
        self._fetch_trades(record.trading_pair, now)
        if looked_up:
            record.sizeless_answers += 1
        silent = record.sizeless_answers >= TOTALS_DOUBTED_AFTER and record.trades_complete
        return record.filled if silent else None

    def _after_live_lookup(self, record: OrderRecord, report: OrderReport, now: float) -> None:
        if record.ending is not None:
            # The lookup lags behind what is proven.
            record.failed_checks += 1
            if record.ending.by_answer:
                record.ending.denials += 1
                self._doubt_cancel(record, record.ending, now)
            return
        record.failed_checks = 0
        if record.immediate or (report.is_immediate and not self._is_own(record)):
            self._after_immediate_lookup(record, report, now)
        elif record.cancel is not None and not record.cancel.sending and record.cancel.due is None:
            if now >= record.cancel.deadline:
                self._cancel_again(record, now)
            else:
                record.check_by(record.cancel.deadline)
        elif record.is_filled_up:
            record.check_by(now + PROOF_DEADLINE)

    @staticmethod
    def _after_immediate_lookup(record: OrderRecord, report: OrderReport, now: float) -> None:
        filled = report.filled_quantity
        # That an earlier run's order cannot rest only VALR says: what else it says of open orders should agree.
        is_certain = record.immediate or record.is_listed is False or record.cancel_found_nothing_at is not None
        # The answer may be slow; it shows the order as it was when it was asked for, or before.
        lifetime = record.last_check - record.open_since
        is_overdue = lifetime >= (IMMEDIATE_LIFETIME if is_certain else UNLISTED_LIFETIME) and not record.is_listed
        lags = filled is None or record.filled > filled
        if report.word is OrderWord.PARTIALLY_FILLED and is_overdue and not lags:
            record.ending = Ending(OrderWord.CANCELLED, filled)
        else:
            record.check_by(now + (PROOF_DEADLINE if is_certain else HINT_SPACING))

    @staticmethod
    def _is_own(record: OrderRecord) -> bool:
        """Whether it was sent in this run, and not given up since."""
        return not (record.stray or record.is_restored)

    def _doubt_cancel(self, record: OrderRecord, ending: Ending, now: float) -> None:
        # VALR answered that the cancel is done and its lookups insist otherwise: believe them and cancel again.
        if ending.denials >= CANCELS_DISBELIEVED_AFTER:
            record.ending = None
            record.failed_checks = 0
            self._cancel_again(record, now)

    def _apply_processed(self, record: OrderRecord, message: OrderProcessed, now: float) -> list[Outcome]:
        if record.ended:
            return []
        if message.success:
            return self._prove_open(record, now)
        # What exactly became of it (killed on arrival, filled in part) only a status says.
        record.reason = message.failure_reason or record.reason
        record.check_by(now)
        return []

    def _apply_trade(self, record: OrderRecord, trade: AccountTrade, now: float) -> list[Outcome]:
        if trade.trade_id in record.trade_ids:
            return []
        outcomes: list[Outcome] = [] if record.ended else self._prove_open(record, now)
        if not trade.is_fee_known and not record.ended:
            self._note_reported(record, record.filled + trade.quantity, now)
            return outcomes
        record.trade_ids.add(trade.trade_id)
        record.filled += trade.quantity
        outcomes.append(Fill(record.client_order_id, record.trading_pair, trade, record.stray))
        if record.stray or record.ended:
            outcomes.append(self._unexpected_fill(record, trade))
        if record.ended:
            return outcomes
        if record.is_filled_up and record.ending is None:
            record.check_by(now + HINT_DELAY)
        return outcomes + self._conclude(record, now)

    @staticmethod
    def _unexpected_fill(record: OrderRecord, trade: AccountTrade) -> Notice:
        state = "that had ended" if record.ended else "that the bot did not know"
        return Notice(
            Level.ERROR,
            f"A fill of order {record.client_order_id} {state}: {trade.side} {trade.quantity:f} {record.trading_pair} "
            f"at {trade.price:f} (trade {trade.trade_id})",
            record.trading_pair,
            Concern.UNEXPECTED_FILL,
        )

    def _note_reported(self, record: OrderRecord, filled: Decimal | None, now: float) -> None:
        grew = filled is not None and filled > record.reported
        if filled is not None and grew:
            record.reported = filled
        if record.reported > record.filled:
            self._fetch_trades(record.trading_pair, now, urgent=grew)

    def _fetch_trades(
        self, trading_pair: str, now: float, *, urgent: bool = True, spacing: float = FETCH_SPACING
    ) -> None:
        """Ask for a pair's trades, at once unless they were asked for just now; without news, not before a back-off."""
        due = max(now, self._last_fetches.get(trading_pair, float("-inf")) + max(FETCH_SPACING, spacing))
        fetch = self._fetches.setdefault(trading_pair, TradeFetch(due=due))
        if urgent:
            fetch.due = min(fetch.due, due)
            fetch.in_vain = 0

    def _are_all_trades_needed(self, trading_pair: str) -> bool:
        # Where the trades have the last word on how much was filled, those that were fetched before count as well.
        return any(r.trading_pair == trading_pair and r.sizeless_answers for r in self._records.values())

    def _is_short_of_fills(self, trading_pair: str) -> bool:
        return any(r.trading_pair == trading_pair and r.reported > r.filled for r in self._records.values())

    def _prove_open(self, record: OrderRecord, now: float, *, by_answer: bool = False) -> list[Outcome]:
        record.shown = record.shown or not by_answer
        outcomes = self._cancel_stray(record, now) if record.stray else []
        if record.proven_open:
            return outcomes
        record.proven_open = True
        record.open_since = now
        record.proof_due = None
        record.misses = 0
        if record.cancel is not None and not record.cancel.wanted:
            # It shows after all, and nobody asked to cancel it.
            record.cancel = None
        return outcomes + self._publish(record)

    # --- The guard before Hummingbot's tracker ------------------------------------------------------------------------
    def _publish(self, record: OrderRecord) -> list[Outcome]:
        """Tell what has newly been proven; stages only rise, and none is told before the order was open."""
        if not record.proven_open or record.ended or record.stray:
            return []
        stages = [Stage.OPEN]
        if 0 < record.filled < record.quantity:
            stages.append(Stage.PARTIALLY_FILLED)
        if record.cancel is not None and record.cancel.acknowledged:
            stages.append(Stage.CANCEL_PENDING)
        outcomes: list[Outcome] = []
        for stage in stages:
            if stage > record.told:
                record.told = stage
                outcomes.append(Progress(record.client_order_id, record.order_id, record.trading_pair, stage))
        return outcomes

    def _conclude(self, record: OrderRecord, now: float, *, error_type: str = "", proven: bool = True) -> list[Outcome]:
        """Tell the end once it is proven and every fill it implies has been told."""
        ending = record.ending
        if ending is None:
            return self._publish(record)
        if ending.filled is None:
            record.check_by(now + _back_off(record.failed_checks))
            return self._publish(record)
        if record.filled < max(ending.filled, record.reported):
            record.drop_checks()
            self._fetch_trades(record.trading_pair, now, urgent=False)
            return self._publish(record)
        end = self._end_of(record, ending)
        outcomes: list[Outcome] = []
        if end is not End.FAILED:
            outcomes = self._prove_open(record, now) + self._publish(record)
        return outcomes + self._close(record, end, ending.reason, error_type, proven)

    @staticmethod
    def _end_of(record: OrderRecord, ending: Ending) -> End:
        if ending.word is OrderWord.FILLED or record.filled >= record.quantity > 0:
            return End.FILLED
        if ending.word is OrderWord.CANCELLED or record.filled > 0:
            return End.CANCELLED
        return End.FAILED

    def _close(self, record: OrderRecord, end: End, reason: str, error_type: str, proven: bool) -> list[Outcome]:
        record.told = Stage.ENDED
        record.proven_end = proven
        record.cancel = record.listed = None
        record.drop_checks()
        self._records.pop(record.client_order_id, None)
        self._ended[record.client_order_id] = record
        while len(self._ended) > ENDED_KEPT:
            _, oldest = self._ended.popitem(last=False)
            self._by_order_id.pop(oldest.order_id, None)
        outcomes: list[Outcome] = []
        if record.stray and not record.never_seen:
            outcomes.append(Notice(Level.INFO, f"Stray order {record.client_order_id} has ended: {end.value}"))
        if not proven and not record.stray:
            outcomes.append(self._given_up(record))
        outcomes.append(
            Ended(
                record.client_order_id,
                record.order_id,
                record.trading_pair,
                end,
                reason,
                error_type,
                proven or record.stray,
                record.stray,
            )
        )
        return outcomes

    @staticmethod
    def _given_up(record: OrderRecord) -> Notice:
        name = f"{record.client_order_id} of {record.trading_pair}"
        if record.is_restored:
            return Notice(
                Level.WARNING,
                f"VALR does not know order {name} any more, which an earlier run had seen open; it is reported as "
                "failed; should it appear after all, it will be cancelled",
            )
        return Notice(
            Level.WARNING,
            f"Order {name} never appeared on VALR and is reported as failed; should it appear after all, it will be "
            "cancelled",
        )
