"""Where every word that a person reads comes from: jinja2 templates, Turkish and English side by side.

``email/<lang>/<event>.{subject,txt,html}`` is a mail, ``email/<lang>/words.toml`` the phrases it is put together
from, ``cover/<name>.html`` a fax's cover page. A site's own directory wins file by file, and in ``words.toml``
phrase by phrase.
"""

import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta

from fax_bridge.fax import Language
from fax_bridge.mail.headers import line

TEXT_WIDTH = 76
KINDS = ("subject", "txt", "html")


class WordsError(ValueError):
    """A template cannot be used; the text names the place and how to mend it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """``subject`` is one line; ``text`` and ``html`` say the same."""

    subject: str
    text: str
    html: str


def templates_root() -> Path:
    """The templates that come with the program: inside the package once it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "templates", package.parent / "templates"):
        if (root / "email").is_dir():
            return root
    raise WordsError(f"the templates are missing from {package}. Install fax-bridge again.")


class Words:
    """All templates. A site's own are read and tried at once: a broken one stops the start, not the first report.

    The program's own are tried by its tests; to try them at each start takes 0.3 s, and :meth:`check` does it.
    Raises :class:`WordsError`.
    """

    def __init__(self, templates_dir: Path | None = None, *, check: bool = False) -> None:
        self._roots = [templates_dir, templates_root()] if templates_dir else [templates_root()]
        self._environment = _environment(self._roots)
        self._sources: dict[tuple[str, str], str] = {}
        self._phrases: dict[tuple[str, str], jinja2.Template] = {}
        check |= templates_dir is not None
        for language in Language:
            phrases = self._read_phrases(language, check=check)
            self._sources |= {(language, path): phrase for path, phrase in phrases.items()}
        if check:
            self._check_templates()

    def render(self, event: str, lang: str, **values: object) -> Rendered:
        """The words of a mail. A variable that a template wants and nobody gives raises ``jinja2.UndefinedError``."""
        subject, text, html = (
            self._environment.get_template(f"email/{Language(lang)}/{event}.{kind}").render(values, lang=lang)
            for kind in KINDS
        )
        return Rendered(line(subject), _tidy(text), html.strip() + "\n")

    def phrase(self, lang: str, path: str, **values: object) -> str:
        """A phrase of ``words.toml`` by its dotted path, as one line of plain text. Raises ``KeyError``."""
        key = (Language(lang), path)
        if key not in self._phrases:
            self._phrases[key] = self._environment.from_string(self._sources[key])
        return " ".join(self._phrases[key].render(values).split())

    def has_phrase(self, lang: str, path: str) -> bool:
        return (Language(lang), path) in self._sources

    def phrases(self, lang: str) -> frozenset[str]:
        """Every dotted path that has a phrase in the language."""
        return frozenset(path for language, path in self._sources if language == lang)

    def cover(self, name: str = "default", **values: object) -> str:
        """A cover page as one HTML document. Raises ``LookupError`` if there is none of that name."""
        return self._environment.get_template(f"cover/{name}.html").render(values).strip() + "\n"

    def has_cover(self, name: str) -> bool:
        return f"cover/{name}.html" in self._environment.list_templates(extensions=["html"])

    def check(self) -> None:
        """Reads everything anew from the files. Raises :class:`WordsError`."""
        Words(self._roots[0] if len(self._roots) > 1 else None, check=True)

    def _check_templates(self) -> None:
        """Each compiles, and asks for nothing but what the program's own templates of that kind are given."""
        shipped = _environment(self._roots[-1:])
        given: dict[str, frozenset[str]] = {}
        for name in shipped.list_templates(extensions=KINDS):
            given[_family(name)] = given.get(_family(name), frozenset()) | _wants(shipped, self._roots[-1:], name)
        for name in self._environment.list_templates(extensions=KINDS):
            wanted = _wants(self._environment, self._roots, name)
            _refuse_unknown(f"template {name}", wanted, given.get(_family(name), wanted))

    def _read_phrases(self, language: Language, *, check: bool) -> dict[str, str]:
        """The shipped phrases with the site's over them, checked in the same way."""
        shipped, *own = [_phrases_in(root / "email" / language / "words.toml") for root in reversed(self._roots)]
        if not check:
            return shipped
        given: dict[str, frozenset[str]] = {}
        for path, phrase in shipped.items():
            given[_table(path)] = given.get(_table(path), frozenset()) | _variables(self._environment, path, phrase)
        for phrases in own:
            for path, phrase in phrases.items():
                wanted = _variables(self._environment, path, phrase)
                _refuse_unknown(f"words.toml, {path}", wanted, given.get(_table(path), frozenset()))
            shipped |= phrases
        return shipped


def _environment(roots: Iterable[Path]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(list(roots)),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html"], default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = _wrapped
    return environment


# --- what comes from the files -----------------------------------------------------------------------


def _phrases_in(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        return dict(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as fault:
        raise WordsError(f"{file}: {fault}. Mend that phrase.") from None


def _flat(table: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{above}{key}.")
        elif isinstance(value, str):
            flat.append((above + key, value))
        else:
            raise TypeError(f"{above}{key} is no text in quotes")
    return flat


def _wants(environment: jinja2.Environment, roots: Iterable[Path], name: str) -> frozenset[str]:
    file = next(root / name for root in roots if (root / name).is_file())
    try:
        return _variables(environment, str(file), file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise WordsError(f"{file} is not UTF-8. Save it as UTF-8.") from None


def _variables(environment: jinja2.Environment, name: str, source: str) -> frozenset[str]:
    try:
        return frozenset(jinja2.meta.find_undeclared_variables(environment.parse(source)))
    except jinja2.TemplateSyntaxError as fault:
        raise WordsError(f"{name}, line {fault.lineno}: {fault.message} Mend that line.") from None


def _family(name: str) -> str:
    """Templates that are given the same values: a mail's three files in both languages, all covers."""
    *above, file = name.split("/")
    return "cover" if above == ["cover"] else file.split(".")[0]


def _table(path: str) -> str:
    """Phrases that are given the same values: all outcomes, all fates, an alert's four; else each by itself."""
    top, *below = path.split(".")
    return top if top in {"outcome", "fate"} else f"{top}.{below[0]}" if top == "alert" else path


def _refuse_unknown(where: str, wanted: frozenset[str], given: frozenset[str]) -> None:
    if unknown := sorted(wanted - given - {"lang"}):
        known = ", ".join(sorted(given)) or "none"
        raise WordsError(f"{where}: nobody gives {', '.join(unknown)}. There are: {known}.")


# --- how text looks ----------------------------------------------------------------------------------


def _wrapped(text: str, indent: int = 0) -> str:
    """A paragraph of a plain text, broken at blanks; the first line begins where the template puts it."""
    return textwrap.fill(
        text, TEXT_WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def _tidy(text: str) -> str:
    """No blanks at the ends of lines, never two empty lines: conditions in templates leave both."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"
