"""`python -m workbench`: the commands that a user of the program runs on their own machine."""

from workbench.commands import main

main()
