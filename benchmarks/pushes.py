"""Small status pushes per second, each committed before its 200, beside the same web application without the commit."""

import contextlib
import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.bridge import SECRET, Bridge, bridge, parked
from benchmarks.databases import Database, Databases, Kind, databases
from benchmarks.machine import described, need
from benchmarks.processes import Failed, cpu_seconds
from benchmarks.rounds import arguments, chosen, command, play, ratio, run, spread, table, workplace
from fax_bridge.store.schema import push

NO_COMMIT = "the same application, nothing committed"
BRIDGES: dict[str, tuple[Kind, bool]] = {
    "fax-bridge, SQLite": ("SQLite", True),
    "fax-bridge, PostgreSQL": ("PostgreSQL", True),
    "fax-bridge, SQLite, working them through": ("SQLite", False),
    "fax-bridge, PostgreSQL, working them through": ("PostgreSQL", False),
}
"""By name: the database, and whether the pushes are left alone once they are stored."""
WARM_UP = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    rate: float
    """200s per second."""
    cpu: float
    """Milliseconds of all the target's processes for each push."""
    p50: float
    p99: float
    """Milliseconds from the request to its answer."""

    def __str__(self) -> str:
        return f"{self.rate:.0f} pushes/s, {self.cpu:.2f} ms CPU each, p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms"


@contextlib.contextmanager
def target(name: str, parent: Path, made: Databases) -> Iterator[tuple[Bridge, Database | None]]:
    with tempfile.TemporaryDirectory(prefix="target-", dir=parent) as directory:
        here = Path(directory)
        if name == NO_COMMIT:
            url = f"sqlite:///{here}/none.db"
            with bridge(here, url, module=("benchmarks.no_commit",), takes_mail=False) as peer:
                yield peer, None
        else:
            kind, idle = BRIDGES[name]
            module = parked("events") if idle else ("fax_bridge",)
            with made.new(kind) as database, bridge(here, database.url, module=module) as ours:
                yield ours, database


def measure(name: str, *, seconds: int, connections: int, directory: Path, made: Databases) -> Outcome:
    with target(name, directory, made) as (one, database):
        pids = (one.pid, *(database.pids if database else ()))
        warm = _load(one.webhook, WARM_UP, connections)
        cpu = cpu_seconds(pids)
        told = _load(one.webhook, seconds, connections)
        cpu = cpu_seconds(pids) - cpu
        if database:
            _stored(database, warm["answered"] + told["answered"], 2 * connections)
    return Outcome(told["answered"] / told["seconds"], 1000 * cpu / told["answered"], told["p50"], told["p99"])


def _load(port: int, seconds: int, connections: int) -> dict[str, float]:
    """What wrk tells. Raises :class:`Failed` where an answer was no 200, or none came."""
    script = Path(__file__).with_name("pushes.lua")
    url = f"http://127.0.0.1:{port}/push/{SECRET}"
    done = subprocess.run(
        [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if told["errors"] or not told["answered"]:
        raise Failed(f"wrk: {told}")
    return told


def _stored(database: Database, answered: float, on_the_way: int) -> None:
    """Every 200 is a row; when wrk ends it leaves a push on each connection that may be one, too."""
    found = database.ask(select(func.count()).select_from(push))[0]
    if not answered <= found <= answered + on_the_way:
        raise Failed(f"{answered:.0f} pushes got 200, {found} are in the database")


def report(results: Mapping[str, Sequence[Outcome]]) -> str:
    peers = results.get(NO_COMMIT)
    rows = []
    for name, outcomes in results.items():
        rates = [outcome.rate for outcome in outcomes]
        beside = f"{ratio(rates, [peer.rate for peer in peers]):.2f}" if peers and name != NO_COMMIT else "–"
        medians = (statistics.median(getattr(o, what) for o in outcomes) for what in ("cpu", "p50", "p99"))
        cpu, p50, p99 = medians
        rows.append([name, spread(rates), beside, f"{cpu:.2f}", f"{p50:.0f}", f"{p99:.0f}"])
    return table(("target", "pushes/s", "× no commit", "CPU ms/push", "200 after ms, p50", "p99"), rows)


def main() -> None:
    parser = arguments("pushes", __doc__)
    parser.add_argument("--seconds", type=int, default=5, help="that one burst takes")
    parser.add_argument("--connections", type=int, default=64, help="that are kept")
    told = parser.parse_args()
    names = chosen((*BRIDGES, NO_COMMIT), told.only)
    with workplace(told.directory) as directory, databases(directory) as made:
        head = described(command(), directory, made.version)
        one = partial(measure, seconds=told.seconds, connections=told.connections, directory=directory, made=made)
        results = play(names, told.turns, one)
    print(f"{head}\n- {told.connections} connections; medians of {told.turns} rounds (least–most)\n")
    print(report(results))


if __name__ == "__main__":
    run(main)
