"""`python -m latentstore`: the same as the `latentstore` command."""

from latentstore.cli import main

main()
