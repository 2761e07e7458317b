"""`python -m landfall`."""

from landfall.cli.main import main

main()
