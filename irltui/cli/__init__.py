"""The command line: Typer commands that import what they need when they run."""
