"""The VALR connector; importing any part of it makes VALR known to Hummingbot's rate oracle and candles factory."""

from hummingbot.connector.exchange.valr import valr_registration

valr_registration.register()
