"""Command line of the sweeps: the only room that prints, or names an option."""

from sweeps.cli.app import app, main

__all__ = ["app", "main"]
