"""The command as people run it: a process, its words, its exit status."""

import asyncio
import email
import io
import json
import os
import subprocess
import sys
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from tests.e2e.conftest import Bridge
from tests.e2e.test_round_trips import fax_tiff, ink_box, pdf_in, pdf_of, text_in

FIXTURES = Path(__file__).parents[1] / "data" / "settings"


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fax_bridge", *words],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=os.environ | environment,
    )


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(done.stdout)


async def test_the_demo_sees_both_round_trips(tmp_path: Path) -> None:
    """Exit status 0, and a PDF in the mailbox that shows the page that was sent, round circles round."""
    done = await asyncio.to_thread(run, "demo", "--once", "--dir", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    received = email.message_from_bytes((tmp_path / "5-received.eml").read_bytes(), policy=policy.default)
    pdf = pdf_in(received)
    sent = (tmp_path / "2-document.pdf").read_bytes()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) == 2, "the cover and the page"
    # The fax page is fitted to 1728 pixels: positions and proportions are those of the page that was sent.
    before, after = ink_box(sent, 0), ink_box(pdf, 1)
    ratio = [(box[2] - box[0]) / (box[3] - box[1]) for box in (before, after)]
    assert ratio[0] == pytest.approx(ratio[1], rel=0.02)


def test_check_tells_the_faults_and_fails() -> None:
    """Exit status 1 with a line for each, 0 without."""
    wrong = run("check", "--config", str(FIXTURES / "two-faults.toml"))
    assert wrong.returncode == 1
    assert len(wrong.stdout.splitlines()) == 2
    good = run("check", FAX_BRIDGE_CONFIG=str(FIXTURES / "good.toml"))
    assert good.returncode == 0
    assert "these settings can run" in good.stdout


def test_serve_refuses_wrong_settings_with_the_same_words() -> None:
    """On standard error, before anything is opened."""
    done = run("serve", "--config", str(FIXTURES / "sender-without-condition.toml"))
    assert done.returncode == 1
    assert "an envelope sender proves nothing" in done.stderr


async def test_explain_shows_what_a_mail_would_become(tmp_path: Path) -> None:
    """Recipients, the fate of every part, the document and the cover, without settings and without sending."""
    mail = EmailMessage()
    mail["To"] = "Bayi <0216-333-33-44@fax.example.com>, ayse@example.com"
    mail["Subject"] = "Sözleşme"
    mail.set_content("Merhaba ğüşıöç")
    mail.add_attachment(await pdf_of("<p>belge</p>"), maintype="application", subtype="pdf", filename="a.pdf")
    (tmp_path / "mail.eml").write_bytes(mail.as_bytes())
    words = (
        "explain",
        str(tmp_path / "mail.eml"),
        "--pdf",
        str(tmp_path / "out.pdf"),
        "--cover",
        str(tmp_path / "c.html"),
    )
    done = await asyncio.to_thread(run, *words, "--json")
    assert done.returncode == 0, done.stderr
    facts = said(done)
    assert [one["number"] for one in facts["recipients"]] == ["902163333344"]
    assert [(part["part"], part["kind"]) for part in facts["parts"]] == [("1", "cover"), ("2", "faxed")]
    assert (facts["pages"], facts["cover"], facts["refused"]) == (1, True, None)
    assert "belge" in text_in((tmp_path / "out.pdf").read_bytes())
    assert "Merhaba ğüşıöç" in (tmp_path / "c.html").read_text(encoding="utf-8")
    shown = await asyncio.to_thread(run, *words)
    assert "It would be faxed: 1 page(s), and a cover." in shown.stdout


def test_explain_tells_why_a_mail_would_be_refused(tmp_path: Path) -> None:
    """Exit status 1 and the part's fate."""
    mail = EmailMessage()
    mail.set_content("Merhaba")
    mail.add_attachment(b"PK", maintype="application", subtype="zip", filename="a.zip")
    (tmp_path / "mail.eml").write_bytes(mail.as_bytes())
    done = run("explain", str(tmp_path / "mail.eml"), "--to", "112@fax.example.com", "--json")
    facts = said(done)
    assert done.returncode == 1
    assert facts["refused"] == {"reason": "zip_not_opened", "detail": "a.zip"}
    assert "emergency number" in facts["recipients"][0]["fault"]


def test_convert_tells_size_and_resolution(tmp_path: Path) -> None:
    """Pages, millimetres, dots per inch, and what was wrong."""
    (tmp_path / "in.tif").write_bytes(fax_tiff((204, 98)))
    done = run("convert", str(tmp_path / "in.tif"), str(tmp_path / "out.pdf"), "--json")
    assert done.returncode == 0, done.stderr
    (page,) = said(done)["pages"]
    assert page["width_mm"] == pytest.approx(215.15, abs=0.5)
    assert (round(page["x_dpi"]), round(page["y_dpi"]), page["fault"]) == (204, 98, "")
    (tmp_path / "bad.tif").write_bytes(b"no tiff")
    bad = run("convert", str(tmp_path / "bad.tif"), str(tmp_path / "bad.pdf"))
    assert bad.returncode == 1
    assert not (tmp_path / "bad.pdf").exists()


async def test_faxes_list_and_show_answer_where_is_my_fax(bridge: Bridge, note: EmailMessage) -> None:
    """Beside the running daemon; no secret in what they print."""
    config = str(bridge.directory / "fax-bridge.toml")
    await bridge.send(note, "902163333344")
    await bridge.ended("delivered")
    listed = await asyncio.to_thread(run, "faxes", "list", "--config", config, "--json")
    (fax,) = said(listed)
    assert (fax["state"], fax["number"], fax["subject"]) == ("delivered", "902163333344", "Sözleşme hakkında")
    shown = await asyncio.to_thread(run, "faxes", "show", fax["id"], "--config", config)
    assert shown.returncode == 0
    for word in ("submitting", "submitted", "delivered", "+90", "faxed as pages 1"):
        assert word in shown.stdout + listed.stdout
    assert "pl4nted" not in shown.stdout + listed.stdout
    missing = await asyncio.to_thread(run, "faxes", "show", "01NOSUCH", "--config", config)
    assert missing.returncode == 1
    assert "There is no fax 01NOSUCH" in missing.stderr


def test_the_help_of_the_sandbox_prints_the_table_of_fates() -> None:
    """The four digits that choose what happens."""
    text = run("sandbox", "--help").stdout
    for digits in (f"{n:04d}" for n in range(1, 16)):
        assert digits in text
