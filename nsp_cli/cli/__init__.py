"""The command line. The entry point is `main`."""

from nsp_cli.cli.app import main

__all__ = ["main"]
