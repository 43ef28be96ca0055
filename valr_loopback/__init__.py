"""A VALR-compatible crypto exchange on this machine, for demos, dry runs and end-to-end tests.

The rooms, from the inside out:

* ``decimals``, ``ids``, ``times``: the vocabulary of the wire (plain decimal text, UUIDs, ISO times).
* ``pairs``, ``orders``, ``accounts``, ``matching``: what is traded, by whom, and who trades with whom.
* ``validation``, ``errors``: what VALR refuses, with its codes and texts.
* ``engine``: commands and a time in, events out; no I/O, no clock. ``commands`` are what can be
  asked of it, ``exchange`` gives it a clock and listeners, ``state`` keeps it in a file.
* ``books``, ``candles``, ``messages``: the exchange as it looks on the wire.
* ``auth``, ``rate_limits``, ``rest_*``, ``account_socket``, ``trade_socket``, ``server``: the wire itself.
* ``market``: a seeded synthetic market. ``faults``: everything VALR may do to a client.
"""
