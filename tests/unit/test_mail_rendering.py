"""Every mail in a real browser: as wide as a telephone, nothing is cut off or asks to be moved sideways."""

import os
from pathlib import Path

import pytest

from fax_bridge.mail.words import Words
from fax_bridge.templates_preview import write_all
from tests import browser

PHONE, SMALL_PHONE, DESK = 390, 320, 900


@pytest.fixture(scope="module")
def program() -> str:
    found = browser.find()
    if found is None:
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("there is no Chromium; scripts/ci-packages brings it")
        pytest.skip("there is no Chromium here: apt-get install chromium-headless-shell")
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory: Path = tmp_path_factory.mktemp("mails")
    names = write_all(directory, Words())
    return {name: (directory / f"{name}.html").read_text(encoding="utf-8") for name in names}


@pytest.mark.slow
def test_no_mail_is_wider_than_the_screen(program: str, pages: dict[str, str]) -> None:
    """Also on the smallest telephone that is still sold; long ids and addresses break."""
    for name, page in pages.items():
        if name.endswith(".tr"):
            for width in (SMALL_PHONE, PHONE):
                content, frame, height, dark = browser.measured(program, page, width)
                assert (content, frame, dark) == (width, width, False), name
                assert height > 300


@pytest.mark.slow
def test_a_mail_is_dark_where_its_reader_is(program: str, pages: dict[str, str]) -> None:
    """The background of the page is dark, the words are light."""
    page = pages["report-delivered.tr"]
    assert browser.measured(program, page, PHONE, dark=True)[3]
    light, dark = (browser.pictured(program, page, PHONE, dark=scheme) for scheme in (False, True))
    assert light.getpixel((2, 2)) == (0xF2, 0xF4, 0xF6)
    assert dark.getpixel((2, 2)) == (0x16, 0x18, 0x1B)


@pytest.mark.slow
def test_the_judge_sees_a_page_that_is_too_wide(program: str) -> None:
    """A measure that never fails measures nothing."""
    content, frame, *_ = browser.measured(program, "<p style='width:900px'>x</p>", PHONE)
    assert content > frame == PHONE
