"""What not every sender may ask for: another number to be shown, and what is kept at FaxMAX."""

from collections.abc import Collection

from fax_bridge.email_to_fax.admit import Destination, Refusal
from fax_bridge.email_to_fax.options import FaxOptions, OptionFault
from fax_bridge.fax import TargetKind
from fax_bridge.numbers import read_number
from fax_bridge.settings import Sender, Settings

NO_BOOKS = Refusal("550 5.7.1 this sender may not use what is kept at FaxMAX; ask the administrator for books = true")

NO_LISTS = Refusal("550 5.1.1 distribution lists are not used here; write the numbers as recipients")


def numbers_to_show(sender: Sender, settings: Settings) -> list[str]:
    """The E.164 digits that this sender's faxes may show as the calling number, beside the account's own."""
    given = filter(None, (sender.cli, *sender.allowed_cli))
    return list(dict.fromkeys(read_number(number, settings.numbers.region) for number in given))


def check_cli(options: FaxOptions, allowed: Collection[str]) -> None:
    """Raises :class:`OptionFault` for a calling number that is not among the allowed ones."""
    if options.cli is not None and options.cli not in allowed:
        raise OptionFault("cli_not_allowed", options.cli, f"this sender may not show the number {options.cli}")


def granted(to: Destination, sender: Sender, settings: Settings) -> Destination | Refusal:
    """The destination with all that its address asks for, or why this sender does not get it."""
    if to.target.partition("-")[0] in {TargetKind.BOOK, TargetKind.CONTACT} and not sender.books:
        return NO_BOOKS
    if to.target == TargetKind.LIST and not settings.reading.most_listed:
        return NO_LISTS
    try:
        check_cli(to.options, numbers_to_show(sender, settings))
    except OptionFault as fault:
        return Refusal(f"550 5.7.1 {fault}")
    return to
