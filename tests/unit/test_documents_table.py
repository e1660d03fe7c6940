"""CSV files as tables: what separates the cells, what is no table, and what is too wide for a page."""

import io

import pypdfium2
import pytest

from fax_bridge.documents.table import page_of, rows_of
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Ürün;Fiyat\r\nVida;1.234,50\r\n", [["Ürün", "Fiyat"], ["Vida", "1.234,50"]]),
        ("a,b,c\n1,2,3\n", [["a", "b", "c"], ["1", "2", "3"]]),
        ("a\tb\n1\t2\n", [["a", "b"], ["1", "2"]]),
        ("a|b\n1|2", [["a", "b"], ["1", "2"]]),
        ("sep=;\r\na;b,c\r\n", [["a", "b,c"]]),
        ('\ufeffa;b\n"x; y";"iki\nsatır"\n', [["a", "b"], ["x; y", "iki\nsatır"]]),
        ("a;b;c\n\n1;2\n", [["a", "b", "c"], ["1", "2", ""]]),
    ],
)
def test_the_cells_are_found_whatever_separates_them(text: str, rows: list[list[str]]) -> None:
    """Excel in Turkey writes semicolons, elsewhere commas; a short row is filled up."""
    assert rows_of(text) == rows


@pytest.mark.parametrize(
    "text", ["", "tek sütun\n1\n2\n", "Merhaba, nasılsınız?\nBen iyiyim.\nGörüşürüz.\n", "x" * 200_000]
)
def test_what_is_no_table_is_text(text: str) -> None:
    """A letter that was named .csv is still a letter."""
    assert rows_of(text) is None


async def test_a_table_that_is_too_wide_is_set_on_its_side_and_then_split(documents: Documents) -> None:
    """No cell is lost, none is too small to read, and each table has the first column again."""
    text = "\n".join(";".join(f"s{row}k{column}" for column in range(60)) for row in range(20))
    made = await documents.build([SourcePart(PartKind.CSV, "a.csv", text.encode("cp1254"))])
    with pypdfium2.PdfDocument(io.BytesIO(made.pdf)) as pdf:
        pages = [page.get_textpage() for page in pdf]
        words = [page.get_text_range().split() for page in pages]
        assert all(page.get_size()[0] < page.get_size()[1] for page in pdf)
        heights = {round(page.get_charbox(0)[2] - page.get_charbox(0)[0]) for page in pages}
    assert {word for page in words for word in page} == {
        f"s{row}k{column}" for row in range(20) for column in range(60)
    }
    assert len(words) > 2
    assert all("s7k0" in page for page in words)
    assert min(heights) >= 4, "nine points, not shrunk to the page"


async def test_an_empty_csv_is_refused_as_an_empty_text_is(documents: Documents) -> None:
    """There is nothing to fax."""
    with pytest.raises(DocumentRefused) as refused:
        await documents.build([SourcePart(PartKind.CSV, "a.csv", b"\r\n")])
    assert refused.value.reason == "text_empty"


def test_a_table_beyond_measure_is_refused_before_it_is_laid_out() -> None:
    """Laying out is what costs."""
    with pytest.raises(DocumentRefused) as refused:
        page_of([["x"] * 10] * 10_000)
    assert refused.value.reason == "too_many_pages"


def test_cells_are_text() -> None:
    """Markup in a cell stays what it is."""
    page, _ = page_of([["<b>&", "12,50 TL"]])
    assert "<td>&lt;b&gt;&amp;</td>" in page
    assert '<td class="n">12,50 TL</td>' in page
