"""The command as people run it: a process, its words, its exit status."""

import asyncio
import base64
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
from tests.e2e.test_round_trips import fax_tiff, incoming, ink_box, pdf_in, pdf_of, text_in

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


async def test_explain_draws_every_page_and_the_cover(tmp_path: Path) -> None:
    """--png writes a picture of each, --cover with a PDF's name the cover as it would be laid out."""
    mail = EmailMessage()
    mail.set_content("Merhaba ğüşıöç")
    pages = "<p style='page-break-after: always'>birinci</p><p>ikinci</p>"
    mail.add_attachment(await pdf_of(pages), maintype="application", subtype="pdf", filename="a.pdf")
    (tmp_path / "mail.eml").write_bytes(mail.as_bytes())
    to = ("--to", "preview+902163333344@fax.example.com", "--png", str(tmp_path / "a" / "b"))
    done = await asyncio.to_thread(run, "explain", str(tmp_path / "mail.eml"), *to, "--cover", str(tmp_path / "c.pdf"))
    assert done.returncode == 0, done.stderr
    assert "+90 216 333 33 44" in done.stdout
    written = sorted((tmp_path / "a" / "b").iterdir())
    assert [path.name for path in written] == ["cover.png", "page-001.png", "page-002.png"]
    assert len({path.read_bytes() for path in written}) == 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    cover = text_in((tmp_path / "c.pdf").read_bytes())
    assert "Merhaba ğüşıöç" in cover
    assert "+90 216 333 33 44" in cover


async def test_explain_takes_a_document_for_the_mail_that_holds_it(tmp_path: Path) -> None:
    """By its first bytes, or by its name where it does not begin as a mail does."""
    (tmp_path / "a.pdf").write_bytes(await pdf_of("<p>belge</p>"))
    (tmp_path / "b.csv").write_text("no;ad\n1;Ayşe\n")
    (tmp_path / "c.txt").write_text("Subject: mektup\n\nMerhaba\n")
    found = {}
    for name in ("a.pdf", "b.csv", "c.txt"):
        done = await asyncio.to_thread(run, "explain", str(tmp_path / name), "--json")
        facts = said(done)
        found[name] = (facts["faxed"], facts["pages"], facts["subject"], facts["parts"][0]["name"])
    assert found == {
        "a.pdf": (True, 1, "a.pdf", "a.pdf"),
        "b.csv": (True, 1, "b.csv", "b.csv"),
        "c.txt": (True, 1, "mektup", ""),
    }


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


def test_route_test_explains_where_a_fax_would_go() -> None:
    """For people with the reason of each route, for programs as JSON; a wrong number is told with its mend."""
    config = ("--config", str(FIXTURES / "good.toml"))
    done = run("route-test", "--called", "0216 222 25 25", *config)
    assert done.returncode == 0, done.stderr
    assert "routes[0]: takes it: called 902162222525 is 902162222525" in done.stdout
    assert "to: reception@example.com" in done.stdout
    told = said(run("route-test", "--called", "902120000000", "--at", "2026-11-26T08:00", "--json", *config))
    assert told["fallback"] is True
    assert told["goes_to"][0]["to"] == ["postmaster@example.com"]
    done = run("route-test", "--called", "reception", *config)
    assert (done.returncode, done.stderr.strip()) == (1, '"reception" is not a telephone number')


async def test_a_received_fax_is_listed_and_saved_beside_the_running_daemon(bridge: Bridge, tmp_path: Path) -> None:
    """As a PDF and as it came; never over a file that is there, and one that is not kept is told."""
    await incoming(bridge, content=base64.b64encode(fax_tiff()).decode())
    await bridge.mail("reception@example.com")
    config = ("--config", str(bridge.directory / "fax-bridge.toml"))
    (fax,) = said(await asyncio.to_thread(run, "received", "list", "--json", *config))
    assert (fax["caller"], fax["pages"], fax["kept"]) == ("+90 216 333 44 55", 1, True)
    for name in ("fax.pdf", "fax.tif"):
        done = await asyncio.to_thread(run, "received", "save", fax["id"].lower(), str(tmp_path / name), *config)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "fax.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "fax.tif").read_bytes() == fax_tiff()
    again = await asyncio.to_thread(run, "received", "save", fax["id"], str(tmp_path / "fax.tif"), *config)
    assert again.returncode == 1
    none = await asyncio.to_thread(run, "received", "save", "01HF7", str(tmp_path / "none.pdf"), *config)
    assert none.returncode == 1
    assert "There is no fax 01HF7" in none.stderr
    assert not (tmp_path / "none.pdf").exists()
