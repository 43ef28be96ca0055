"""A VALR-compatible crypto exchange on this machine, for demos, dry runs and end-to-end tests.

The rooms, from the inside out:

* ``decimals``, ``ids``, ``times``: the vocabulary of the wire (plain decimal text, UUIDs, ISO times).
* ``pairs``, ``many_pairs``, ``orders``, ``accounts``, ``matching``: what is traded, by whom, and who trades with whom.
* ``requests``, ``errors``: what VALR refuses, with its codes and texts.
* ``engine``: commands and a time in, events out; no I/O, no clock. ``commands`` are what can be
  asked of it, ``exchange`` gives it a clock and listeners, ``state`` keeps it in a file.
* ``books``, ``candles``, ``messages``: the exchange as it looks on the wire.
* ``auth``, ``rate_limits``, ``rest_*``, ``order_entry``, ``account_socket``, ``socket_commands``, ``trade_socket``,
  ``gateway``, ``server``: the wire itself.
* ``market``: a seeded synthetic market.
* ``fault_kinds``: everything VALR may do to a client. ``faults`` says which of it is in force and when it strikes,
  ``fault_files`` and ``fault_control`` switch it on. Where it strikes: ``call_faults`` REST calls and handshakes,
  ``distortions`` and ``book_faults`` messages on their way out, ``trade_socket`` subscriptions, ``interval_faults``
  sockets and pairs, ``open_orders`` their lists, ``wire_clock`` the time; ``counterparty`` fills what is cancelled.
"""
