"""``python -m fax_bridge`` is the command ``fax-bridge``."""

from fax_bridge.cli import main

if __name__ == "__main__":
    main()
