"""``fax-bridge`` with a lease of so many milliseconds: ``python -m tests.chaos.launcher 3000 serve --config FILE``.

On PostgreSQL nobody frees a dead node's leases, they run out; a storm of kills cannot wait a minute for each.
"""

import sys

from fax_bridge.cli import main
from fax_bridge.store import intake, worker

if __name__ == "__main__":
    worker.LEASE_MS = intake.GUARD_MS = int(sys.argv.pop(1))
    main()
