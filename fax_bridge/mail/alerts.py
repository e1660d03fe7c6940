"""Mail to the operator: something stands still until a person mends it."""

from fax_bridge.fax import now
from fax_bridge.mail.compose import Alert, alert_mail
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store.outbox import NewMail


class Alerts:
    def __init__(self, settings: Settings, words: Words) -> None:
        self._settings = settings
        self._words = words

    def mail(self, outbox_id: str, subject: str, about: str = "", **values: str) -> NewMail:
        """An alert for the outbox; ``subject`` is one of the events under ``templates/email``."""
        settings = self._settings
        at = now()
        alert = Alert(
            subject=subject,
            to=settings.inbound.fallback,
            values=values,
            language=settings.reports.language,
            timezone=settings.reports.timezone,
        )
        content = alert_mail(
            alert,
            self._words,
            sender=settings.relay.from_,
            message_id=f"<{outbox_id}@{settings.smtp.domains[0]}>",
            date=at,
        )
        return NewMail(
            id=outbox_id,
            kind="alert",
            about=about,
            mail_from="",
            recipients=(settings.inbound.fallback,),
            content=content,
            give_up_at=at + int(settings.relay.queue_lifetime * 1000),
        )
