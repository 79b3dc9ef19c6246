"""Run the command line with ``python -m makeweight``."""

from makeweight.cli import main

if __name__ == "__main__":
    main()
