"""The example configurations."""
