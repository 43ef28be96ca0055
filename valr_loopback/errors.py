"""What VALR refuses, with its codes and texts (valr-api.md 1.4 and 1.5)."""

from collections.abc import Sequence

INSUFFICIENT_BALANCE = "Insufficient Balance"
POST_ONLY_WOULD_MATCH = "Post only cancelled as it would have matched"
IMMEDIATE_OR_CANCEL_UNMATCHED = "Immediate Or Cancel order did not match"
FILL_OR_KILL_UNMATCHED = "Fill Or Kill order did not match"
OWN_ORDER = "We did not execute this order since it would have matched with your own order on the Exchange"
OUTSIDE_SLIPPAGE_BAND = "Order cancelled as it would have matched outside of slippage price band"
PAIR_NOT_ACTIVE = "The given currency pair is not active"

FAILURE_CODES = {
    INSUFFICIENT_BALANCE: -6,
    POST_ONLY_WOULD_MATCH: -19,
    OWN_ORDER: -11500,
    PAIR_NOT_ACTIVE: -32,
    # The reference gives no codes for the next three: these only have to be present.
    IMMEDIATE_OR_CANCEL_UNMATCHED: -12010,
    FILL_OR_KILL_UNMATCHED: -12011,
    OUTSIDE_SLIPPAGE_BAND: -12012,
}
"""The code a v2 placement gives for each reason an order can fail."""


class RefusalError(Exception):
    """A request VALR answers with an error body instead of doing it."""

    def __init__(self, status: int, code: int, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = tuple(fields)

    def body(self) -> dict[str, object]:
        """Return the JSON error body, with ``validationErrors`` where fields are to blame."""
        body: dict[str, object] = {"code": self.code, "message": self.message}
        if self.fields:
            body["validationErrors"] = {"errors": [{"field": field, "message": text} for field, text in self.fields]}
        return body


def invalid_request(*fields: tuple[str, str]) -> RefusalError:
    """A request whose named fields are wrong; each comes with its text."""
    return RefusalError(400, -11, "Invalid Request, please check your request and try again", fields)


def invalid_json() -> RefusalError:
    """A body that is not a JSON object."""
    return RefusalError(400, -113, "Invalid JSON payload")


def unsupported_pair() -> RefusalError:
    """A symbol that is not listed."""
    return RefusalError(400, -21, "Unsupported Currency Pair")


def pair_not_active() -> RefusalError:
    """A listed pair that takes no orders."""
    return RefusalError(400, -32, PAIR_NOT_ACTIVE)


def order_type_not_allowed() -> RefusalError:
    """An order type the pair does not take."""
    return RefusalError(400, -12005, "Selected order type is not allowed for the currency pair.")


def duplicate_client_order_id() -> RefusalError:
    """A ``customerOrderId`` that another open order of the account carries."""
    return RefusalError(400, -11502, "Duplicate customer order id's are not allowed")


def margin_not_enabled() -> RefusalError:
    """``allowMargin`` on an account without margin."""
    return RefusalError(400, -19213, "Margin not enabled for account")


def unknown_order() -> RefusalError:
    """A lookup of an order that is not (or not yet) known."""
    return RefusalError(400, -1, "Invalid Order. ")


def nothing_to_cancel() -> RefusalError:
    """A v2 cancel of an unknown or ended order."""
    return RefusalError(400, -16, "Could not find the order to cancel")


def nothing_modified() -> RefusalError:
    """A v2 modify that changes nothing."""
    return RefusalError(400, -21303, "Modify order would not have modified anything and was cancelled")


def bad_signature() -> RefusalError:
    """A wrong signature, unknown key, stale timestamp or misused sub-account header."""
    return RefusalError(401, -11252, "Request has an invalid signature")


def address_not_allowed() -> RefusalError:
    """A key that is bound to other addresses than the request's."""
    return RefusalError(401, -11272, "The originating IP Address has not been whitelisted.")


def missing_key() -> RefusalError:
    """No API key on an authenticated route."""
    return RefusalError(403, -11268, "API key header missing: X-VALR-API-KEY")
