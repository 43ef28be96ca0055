"""What a user of the VALR connector runs: Hummingbot's command line and client in a workspace of their own."""
