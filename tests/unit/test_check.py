"""``fax-bridge check``: each way to misconfigure has a fixture with the words that it must bring."""

from pathlib import Path

import pytest

from fax_bridge.check import faults_of
from fax_bridge.setting_sources import load
from fax_bridge.settings import SettingsError

FIXTURES = Path(__file__).parents[1] / "data" / "settings"
WRONG = sorted(path for path in FIXTURES.glob("*.toml") if path.name != "good.toml")


def expected_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        line.removeprefix("# expect: ").replace("{path}", str(path)) for line in lines if line.startswith("# expect: ")
    ]


def test_there_are_at_least_ten_ways_to_misconfigure() -> None:
    """The fixtures are found at all."""
    assert len(WRONG) >= 10


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_each_misconfiguration_is_named_with_its_mend(path: Path) -> None:
    """Every fault, and no other, with the place, what is wrong, and what to write instead."""
    assert faults_of(path) == expected_of(path)


def test_good_settings_have_no_faults() -> None:
    """The fixtures differ from these by their one fault."""
    assert faults_of(FIXTURES / "good.toml") == []


def test_a_settings_file_that_is_not_there_is_named() -> None:
    """The first thing that goes wrong in an installation."""
    assert faults_of(Path("/nonexistent/fax.toml")) == [
        "/nonexistent/fax.toml: cannot be read (No such file or directory). Name another with --config."
    ]


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAX_BRIDGE_SECTION__KEY, lists as JSON."""
    monkeypatch.setenv("FAX_BRIDGE_SMTP__LISTEN", '["127.0.0.1:2525", "[::1]:2525"]')
    monkeypatch.setenv("FAX_BRIDGE_FAXMAX__UNKNOWN_WINDOW", "5m")
    settings = load(FIXTURES / "good.toml")
    assert [str(listen) for listen in settings.smtp.listen] == ["127.0.0.1:2525", "[::1]:2525"]
    assert settings.faxmax.unknown_window == 300


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "FAX_BRIDGE_SMPT__LISTEN",
            "[]",
            "environment FAX_BRIDGE_SMPT__LISTEN: no such setting. Did you mean FAX_BRIDGE_SMTP__…?",
        ),
        ("FAX_BRIDGE_SMTP__LISTNE", "[]", 'smtp.listne: no such setting. Did you mean "listen"?'),
        ("FAX_BRIDGE_DEBUG", "1", "environment FAX_BRIDGE_DEBUG: no such setting. Unset it."),
    ],
)
def test_an_unknown_variable_refuses_to_start(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error must not silently leave a default in force."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load(FIXTURES / "good.toml")
    assert error.value.faults == [told]


def test_credentials_of_systemd_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadCredential= files are named after their setting; others' files are not ours to judge."""
    (tmp_path / "faxmax.token").write_text("from-systemd\n")
    (tmp_path / "webhook.secrets").write_text("first-long-random-string\nsecond-long-random-string\n")
    (tmp_path / "something-else").write_text("x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load(FIXTURES / "good.toml")
    assert settings.faxmax.account("default").credentials() == {"token_": "from-systemd"}
    assert len(settings.webhook.secrets) == 2


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """X_file for any secret X, without the line end that editors add."""
    (tmp_path / "token").write_text("s3cret\n")
    text = (FIXTURES / "good.toml").read_text().replace('token = "abcdef"', f'token_file = "{tmp_path}/token"')
    (tmp_path / "settings.toml").write_text(text)
    assert load(tmp_path / "settings.toml").faxmax.account("default").credentials() == {"token_": "s3cret"}


def test_an_account_takes_what_it_leaves_open_from_the_section(tmp_path: Path) -> None:
    """[faxmax.accounts.NAME] names only what differs; other credentials replace ours whole."""
    text = (FIXTURES / "good.toml").read_text()
    text += '\n[faxmax.accounts.sales]\nusername = "u"\npassword = "p"\ntimeout = "20s"\n'
    (tmp_path / "settings.toml").write_text(text)
    faxmax = load(tmp_path / "settings.toml").faxmax
    sales = faxmax.account("sales")
    assert sales.credentials() == {"username": "u", "password": "p"}
    assert (sales.timeout, sales.cli, sales.url) == (20, "902162222525", faxmax.url)


def test_no_fault_and_no_dump_shows_a_secret(tmp_path: Path) -> None:
    """Settings are shown at start, and faults are pasted into tickets."""
    text = (
        (FIXTURES / "good.toml")
        .read_text()
        .replace('"abcdef"', '"pl4nted"')
        .replace("a-long-random-string", "pl4nted-secret-string")
    )
    text = text.replace("[relay]", '[relay]\nurl = "smtps://user:pl4nted@mail.example.com"')
    text += '\n[faxmax.accounts.sales]\ntoken = "pl4nted"\n'
    (tmp_path / "settings.toml").write_text(text)
    settings = load(tmp_path / "settings.toml")
    assert "pl4nted" not in str(settings.shown())
    assert "pl4nted" not in repr(settings.relay) + repr(settings.webhook) + repr(settings.faxmax.account("sales"))
    (tmp_path / "settings.toml").write_text(text.replace('"902162222525"', '"1"').replace("pl4nted-secret", "pl4nted!"))
    assert "pl4nted" not in "\n".join(faults_of(tmp_path / "settings.toml"))


@pytest.mark.parametrize(
    ("sender", "fits"),
    [
        ("ayse@example.com", True),
        ("AYSE@EXAMPLE.COM", True),
        ("ayse@notexample.com", False),
        ("ayse@example.com.tr", False),
        ("", False),
    ],
)
def test_a_pattern_fits_the_whole_envelope_sender(sender: str, fits: bool) -> None:
    """*@example.com never fits somebody at notexample.com."""
    assert load(FIXTURES / "good.toml").senders[0].fits(sender) is fits


def test_an_account_inherits_a_duration_that_was_set(tmp_path: Path) -> None:
    """A duration is read once; taken over by an account it stays what it was."""
    text = (FIXTURES / "good.toml").read_text().replace("[faxmax]", '[faxmax]\ntimeout = "1500ms"')
    (tmp_path / "settings.toml").write_text(text)
    assert load(tmp_path / "settings.toml").faxmax.account("default").timeout == 1.5


def test_passwords_inside_urls_are_masked(tmp_path: Path) -> None:
    """The settings are logged at start."""
    text = (FIXTURES / "good.toml").read_text()
    text = text.replace("sqlite:////tmp/fax-bridge.db", "postgresql://fax:pl4nted@db.example.com/fax?password=pl4nted")
    text = text.replace("[faxmax]", '[faxmax]\nproxy = "http://me:pl4nted@proxy.example.com:3128"')
    (tmp_path / "settings.toml").write_text(text)
    settings = load(tmp_path / "settings.toml")
    assert "pl4nted" not in str(settings.shown()) + repr(settings) + repr(settings.faxmax.account("default"))
    assert "db.example.com" in str(settings.shown())


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    """check says what serve would stumble over."""
    (tmp_path / "ca.pem").write_text("no certificate")
    text = (FIXTURES / "good.toml").read_text().replace("[faxmax]", f'[faxmax]\nca_file = "{tmp_path}/ca.pem"')
    (tmp_path / "settings.toml").write_text(text)
    (fault,) = faults_of(tmp_path / "settings.toml")
    assert fault.startswith(f"faxmax.ca_file: {tmp_path}/ca.pem holds no certificates in PEM")
