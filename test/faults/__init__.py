"""Fault runs: the real strategy against the loopback exchange under every fault, judged by the exchange's ledger."""
