"""`python -m irltui`: the same as the console script."""

from irltui.cli.main import main

main()
