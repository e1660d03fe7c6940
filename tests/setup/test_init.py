"""``fax-bridge init``: what it writes can run, and what it prints is what has to be set elsewhere."""

import os
import re
import stat
import tomllib
from pathlib import Path

import pytest

from tests.e2e.test_cli import run

ROOT = Path(__file__).parents[2]

ANSWERS = {
    "--domain": "fax.example.com",
    "--cli": "902162222525",
    "--token": 'T0KEN "quoted" \\ and so on'.replace('"', "'"),
    "--fallback": "postmaster@example.com",
    "--sender": "*@example.com",
    "--relay": "smtp://127.0.0.1:25",
    "--public-url": "https://fax.example.com",
}


def flags(directory: Path, **more: str) -> list[str]:
    answers = ANSWERS | {"--store": f"sqlite:///{directory}/fax.db", "--config": f"{directory}/conf/fax-bridge.toml"}
    answers |= {f"--{name}": value for name, value in more.items()}
    return ["init", *(word for pair in answers.items() for word in pair)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "conf/fax-bridge.toml"


def test_what_is_written_passes_check(tmp_path: Path, config: Path) -> None:
    """Commented, for nobody else to read, with the answers as they were given."""
    done = run(*flags(tmp_path))
    assert done.returncode == 0, done.stderr
    text = config.read_text()
    assert tomllib.loads(text)["faxmax"]["token"] == ANSWERS["--token"]
    assert text.count("\n#") > 15
    assert stat.S_IMODE(config.stat().st_mode) in (0o600, 0o640)
    assert [path.name for path in config.parent.iterdir()] == ["fax-bridge.toml"], "nothing is left beside it"
    checked = run("check", "--config", str(config))
    assert checked.returncode == 0, checked.stdout


def test_what_has_to_be_set_elsewhere_is_printed_to_be_copied(tmp_path: Path, config: Path) -> None:
    """FaxMAX's URL with the secret of the file; Postfix's tables and main.cf exactly as docs/postfix.md gives them."""
    done = run(*flags(tmp_path))
    (secret,) = tomllib.loads(config.read_text())["webhook"]["secrets"]
    assert len(secret) > 40
    assert f"https://fax.example.com/push/{secret}\n" in done.stdout
    page = (ROOT / "docs/postfix.md").read_text()
    documented = re.findall(r"^```(main\.cf|fax_transport|fax_access)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for name, lines in documented[:3]:
        printed = re.search(
            rf"^# Postfix, /etc/postfix/{name}\b.*\n((?:.*\n)*?)\n(?=# Postfix|Then)", done.stdout, re.MULTILINE
        )
        assert printed, name
        assert printed[1] == lines


def test_how_it_is_started_is_told_as_in_the_quick_start(tmp_path: Path) -> None:
    """The sockets too, or a restart would refuse connections."""
    (last,) = re.findall("^Then: (.*), and fax-bridge doctor", run(*flags(tmp_path)).stdout, re.MULTILINE)
    assert f"\n{last}\n" in (ROOT / "docs/quickstart.md").read_text()


def test_nothing_is_overwritten_unasked(tmp_path: Path, config: Path) -> None:
    """With --force it is, and the secret is a new one."""
    assert run(*flags(tmp_path)).returncode == 0
    before = config.read_text()
    again = run(*flags(tmp_path))
    assert (again.returncode, config.read_text()) == (1, before)
    assert "--force" in again.stderr
    assert run(*flags(tmp_path), "--force").returncode == 0
    assert config.read_text() != before


def test_answers_that_make_no_settings_write_nothing(tmp_path: Path, config: Path) -> None:
    """Each fault is named with its mend, as check does."""
    done = run(*flags(tmp_path, cli="1", fallback="nobody"))
    assert done.returncode == 1
    assert '"nobody" is no mail address' in done.stderr
    assert not config.exists()
    assert os.listdir(config.parent) == []  # noqa: PTH208 — an empty list is plainer


def test_questions_are_asked_for_what_no_flag_told(tmp_path: Path, config: Path) -> None:
    """On a terminal, or a pipe."""
    words = flags(tmp_path)
    at = words.index("--fallback")
    del words[at : at + 2]
    done = run(*words, FAX_BRIDGE_CONFIG="")
    assert done.returncode == 1, "standard input has no answer"
    assert "Mail address for alerts" in done.stdout + done.stderr
