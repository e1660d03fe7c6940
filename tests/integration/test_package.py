"""The built wheel: it carries what the program needs at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_carries_templates_fonts_migrations_and_units(wheel: Path) -> None:
    """Every such file of the tree is in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    trees = {
        "fax_bridge/templates": ROOT / "templates",
        "fax_bridge/systemd": ROOT / "systemd",
        "fax_bridge/documents/fonts": ROOT / "fax_bridge/documents/fonts",
        "fax_bridge/store/migrations": ROOT / "fax_bridge/store/migrations",
    }
    for inside, tree in trees.items():
        files = [path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        assert {f"{inside}/{path.relative_to(tree)}" for path in files} <= names


def test_the_program_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked far from the tree, it finds its templates there."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import fax_bridge.mail.words as w; assert str(w.templates_root()).startswith(sys.path[0])\n"
        "w.Words().check()\n"
        "from fax_bridge.cli import main; main()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "site"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fax-bridge ")
