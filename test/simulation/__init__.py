"""The connector, Hummingbot's strategy and the loopback exchange in one process, under virtual time, from one seed."""
