"""The promised times of the settings, as the store counts them."""

from fax_bridge.settings import Settings
from fax_bridge.store.faxes import Promises


def promises_of(settings: Settings) -> Promises:
    faxmax = settings.faxmax
    slowest = max(faxmax.account(name).timeout for name in faxmax.account_names)
    return Promises(
        confirm=int(faxmax.confirm_within * 1000),
        confirm_page=int(faxmax.confirm_per_page * 1000),
        unknown=int(faxmax.unknown_window * 1000),
        answer=int(slowest * 1000),
    )
