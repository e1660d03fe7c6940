"""The built wheel: it carries what the program needs at run time."""

import subprocess
import sys
import sysconfig
import tarfile
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


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own, as pip would lay it out; its dependencies are ours, its code is not."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=60)
    (packages,) = home.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)  # noqa: S202 — a zip of our own making
    # A plain path: the .pth files over there, the one of this checkout among them, are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin/python"


def test_both_round_trips_go_through_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    """Mail, fax, report, received fax, with its own templates, fonts, migrations and converters."""
    where = [str(installed), "-c", "import fax_bridge; print(fax_bridge.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path).stdout
    assert found.startswith(str(installed.parents[1])), "the checkout is not what is tested"
    command = [str(installed), "-m", "fax_bridge", "demo", "--once", "--dir", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sdist_carries_what_the_wheel_is_built_of(tmp_path: Path) -> None:
    """Templates, units, fonts, documentation, tests and the scripts that CI calls."""
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    built = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    trees = ("templates", "systemd", "fax_bridge", "docs", "scripts", "contrib", "container", "tests/service")
    for tree in trees:
        files = [one for one in (ROOT / tree).rglob("*") if one.is_file() and "__pycache__" not in one.parts]
        assert files
        assert {str(one.relative_to(ROOT)) for one in files} <= names
    assert {"constraints.txt", "CHANGELOG.md", "LICENSE", "README.md"} <= names


def test_the_program_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked far from the tree, it finds its templates there."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")  # noqa: S202 — a zip of our own making
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
