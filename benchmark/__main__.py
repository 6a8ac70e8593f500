"""``python -m backmapbench``."""

from backmapbench.cli import main

if __name__ == "__main__":
    main()
