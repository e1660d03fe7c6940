"""``fax-bridge templates preview``: what an administrator looks at before a sender does."""

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from fax_bridge.cli import app
from fax_bridge.mail.words import templates_root
from tests.delivery_status import read_report

ALERTS = tomllib.loads((templates_root() / "email" / "en" / "words.toml").read_text(encoding="utf-8"))["alert"]
EVENTS = {f"alert-{subject.replace('_', '-')}" for subject in ALERTS}
EVENTS |= {"report-delivered", "report-partial", "report-several", "correction", "early", "delayed", "report-dsn",
          "received", "received-damaged", "received-link", "received-notice", "preview", "preview-refused"}  # fmt: skip


def test_each_mail_is_written_in_three_forms_and_both_languages(tmp_path: Path) -> None:
    """The HTML shows its pictures in a browser; the mail for machines is one by the grammar."""
    done = CliRunner().invoke(app, ["templates", "preview", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "new").iterdir()}
    for event in EVENTS:
        assert {f"{event}.{language}.{kind}" for language in ("tr", "en") for kind in ("eml", "html", "txt")} <= names
    html = (tmp_path / "new" / "report-delivered.en.html").read_text()
    assert "cid:" not in html
    assert 'src="data:image/png;base64,iVBOR' in html
    assert read_report((tmp_path / "new" / "report-dsn.tr.eml").read_bytes()).recipients[0]["action"] == "failed"


def test_a_sites_own_templates_are_shown_and_a_broken_one_is_named(tmp_path: Path) -> None:
    """It is what they are previewed for."""
    own = tmp_path / "own" / "email" / "tr"
    own.mkdir(parents=True)
    (own / "words.toml").write_text('[outcome.delivered]\nheadline = "Faksınız {{ number }} yolculuğunu bitirdi."\n')
    arguments = ["templates", "preview", str(tmp_path / "out"), "--templates-dir", str(tmp_path / "own")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert "yolculuğunu bitirdi." in (tmp_path / "out" / "report-delivered.tr.txt").read_text()
    (own / "report.txt").write_text("{{ headline")
    broken = CliRunner().invoke(app, arguments)
    assert broken.exit_code == 1
    assert "report.txt, line 1" in broken.output
