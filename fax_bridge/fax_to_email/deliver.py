"""What a received fax becomes for each route that takes it: a mail, files in a directory, posts to a webhook, a link.

All of it is made here and committed together; from then on each is tried until it is there, or told to the operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fax_bridge.documents.fault import Fault
from fax_bridge.fax import DeliveryKind, Instant, now
from fax_bridge.fax_to_email.route import Decision, Judged
from fax_bridge.fax_to_email.sink_webhook import body_of
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.compose import ReceivedFax, received_mail
from fax_bridge.mail.headers import line
from fax_bridge.mail.received_view import File, files_of
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words
from fax_bridge.name_tokens import file_stem
from fax_bridge.settings import Settings
from fax_bridge.settings.inbound import DirectorySink, WebhookSink
from fax_bridge.signed_tokens import Claim, SignedTokens
from fax_bridge.store.deliveries import NewDelivery
from fax_bridge.store.outbox import FALLBACK_INDEX, NewMail, id_of_fax_mail
from fax_bridge.store.worker import Work

if TYPE_CHECKING:
    from fax_bridge.fax_to_email.convert import Converted

MOST_DETAIL = 160
"""Characters of a decoder's own words in a sentence."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is to be queued for one fax."""

    mails: tuple[NewMail, ...]
    others: tuple[NewDelivery, ...] = ()


class Composer:
    """Makes all that a received fax leaves as."""

    def __init__(self, settings: Settings, words: Words, tokens: SignedTokens, alerts: Alerts) -> None:
        self._settings = settings
        self._words = words
        self._tokens = tokens
        self._alerts = alerts

    def fallback(self, row: Work, made: "Converted", tiff: bytes, reason: str) -> Sent:
        """The whole fax to the fallback mailbox, with the reason; ``no_route`` is its first mail, others a second."""
        fax = self._fax(row, made, tiff, None)
        fax = replace(fax, fallback_reason=reason, shape="attachment")
        index = 0 if reason == "no_route" else FALLBACK_INDEX
        return self._mail(fax, row, index, (self._settings.inbound.fallback,), (), ())

    def routed(self, row: Work, made: "Converted", tiff: bytes, decision: Decision) -> Sent:
        """A mail for each route that has recipients, and its other ways. Nobody gets two mails of the same shape."""
        mails: list[NewMail] = []
        others: list[NewDelivery] = []
        served: set[tuple[str, str]] = set()
        for index, judged in enumerate(decision.chosen):
            fax = self._fax(row, made, tiff, judged)
            to, cc, bcc = (
                tuple(address for address in group if (address.lower(), fax.shape) not in served)
                for group in (judged.route.to, judged.route.cc, judged.route.bcc)
            )
            served |= {(address.lower(), fax.shape) for address in (*to, *cc, *bcc)}
            if to or cc or bcc:
                sent = self._mail(fax, row, index, to, cc, bcc)
                mails += sent.mails
                others += sent.others
            others += self._sinks(fax, row, index, judged)
        return Sent(tuple(mails), tuple(others))

    # --- the mail -------------------------------------------------------------------------------------

    def _mail(
        self, fax: ReceivedFax, row: Work, index: int, to: Sequence[str], cc: Sequence[str], bcc: Sequence[str]
    ) -> Sent:
        """Leaner in steps while it is larger than a mail may be."""
        limit = self._settings.inbound.max_mail_bytes
        told: list[NewMail] = []
        fax, links = self._shaped(fax, row, index)
        content = self._content(fax, index, to, cc)
        size = len(content)
        for leaner in _leaner(fax):
            if len(content) > limit:
                fax, content = leaner, self._content(leaner, index, to, cc)
        if len(content) > limit and fax.shape == "attachment":
            shape = "link" if self._settings.inbound.link_url else "notice"
            fax, links = self._shaped(replace(fax, shape=shape, too_large=True, without_tiff=False), row, index)
            content = self._content(fax, index, to, cc)
            if shape == "notice":
                told.append(self._too_large(fax, size))
        mail = NewMail(
            id=id_of_fax_mail(row.id, index),
            kind="fallback" if index == FALLBACK_INDEX else "received",
            about=row.id,
            mail_from=self._bounce_address(row.id, index),
            recipients=tuple(dict.fromkeys((*to, *cc, *bcc))),
            content=content,
            give_up_at=now() + int(self._settings.relay.queue_lifetime * 1000),
            awaits_bounces=True,
        )
        return Sent((mail, *told), links)

    def _content(self, fax: ReceivedFax, index: int, to: Sequence[str], cc: Sequence[str]) -> bytes:
        settings = self._settings
        return received_mail(
            fax,
            self._words,
            sender=settings.relay.from_,
            reply_domain=settings.smtp.domains[0],
            to=to,
            cc=cc,
            fixed_from=settings.inbound.from_ == "fixed",
            message_id=f"<{id_of_fax_mail(fax.fax_id, index)}@{settings.smtp.domains[0]}>",
            date=now(),
        )

    def _shaped(self, fax: ReceivedFax, row: Work, index: int) -> tuple[ReceivedFax, tuple[NewDelivery, ...]]:
        """A notice says until when the fax is here; a link has its files laid by, and their signed addresses."""
        settings = self._settings
        if fax.shape == "notice":
            return replace(fax, until=row.received_at + int(settings.retention.content * 1000)), ()
        if fax.shape != "link":
            return fax, ()
        until = now() + int(settings.inbound.link_lifetime * 1000)
        links, kept = [], []
        for number, file in enumerate(files_of(fax, self._words, Shown(fax.language, fax.timezone))):
            claim = Claim(row.id, 2 * index + number, until)
            links.append((file.name, f"{settings.inbound.link_url}/fax/{self._tokens.make('link', claim)}"))
            kept.append(_link(claim, file))
        return replace(fax, until=until, links=tuple(links)), tuple(kept)

    def _bounce_address(self, received_id: str, index: int) -> str:
        until = now() + int((self._settings.inbound.bounce_lifetime + self._settings.relay.queue_lifetime) * 1000)
        token = self._tokens.make("bounce", Claim(received_id, index, until))
        return f"bounce+{token}@{self._settings.smtp.domains[0]}"

    def _too_large(self, fax: ReceivedFax, size: int) -> NewMail:
        shown = Shown(self._settings.reports.language, self._settings.reports.timezone)
        return self._alerts.mail(
            f"alert-large-{fax.fax_id}",
            "received_too_large",
            about=fax.fax_id,
            fax=fax.fax_id,
            size=shown.size(size),
            until=shown.when(fax.until),
        )

    # --- the other ways -------------------------------------------------------------------------------

    def _sinks(self, fax: ReceivedFax, row: Work, index: int, judged: Judged) -> list[NewDelivery]:
        give_up_at = now() + int(self._settings.relay.queue_lifetime * 1000)
        made: list[NewDelivery] = []
        for number, directory in enumerate(judged.route.directories):
            made += self._directory(fax, f"dir-{row.id}-{index}-{number}", directory, give_up_at)
        for number, hook in enumerate(judged.route.webhooks):
            made.append(self._webhook(fax, f"hook-{row.id}-{index}-{number}", hook, give_up_at))
        return made

    def _directory(
        self, fax: ReceivedFax, delivery_id: str, sink: DirectorySink, give_up_at: Instant
    ) -> list[NewDelivery]:
        template = sink.file_name if "{id}" in sink.file_name else sink.file_name + "-{id}"
        files = self._files(replace(fax, format=sink.format, file_name=template))
        return [
            NewDelivery(
                f"{delivery_id}-{file.subtype}", DeliveryKind.DIRECTORY, fax.fax_id, str(sink.path),
                _with_id(file.name, fax.fax_id), file.content_type, file.data, give_up_at,
            )
            for file in files
        ]  # fmt: skip

    def _webhook(self, fax: ReceivedFax, delivery_id: str, sink: WebhookSink, give_up_at: Instant) -> NewDelivery:
        fax = replace(fax, format=sink.format)
        return NewDelivery(
            delivery_id, DeliveryKind.WEBHOOK, fax.fax_id, sink.url, "", "application/json",
            body_of(delivery_id, fax, self._files(fax)), give_up_at,
        )  # fmt: skip

    def _files(self, fax: ReceivedFax) -> list[File]:
        return files_of(replace(fax, without_tiff=False), self._words, Shown(fax.language, fax.timezone))

    # --- the fax --------------------------------------------------------------------------------------

    def _fax(self, row: Work, made: "Converted", tiff: bytes, judged: Judged | None) -> ReceivedFax:
        """As this route wants it."""
        settings, inbound = self._settings, self._settings.inbound
        route = judged.route if judged else None
        language = (route.language if route else None) or settings.reports.language
        timezone = (route.timezone if route else None) or settings.reports.timezone
        shown = Shown(language, timezone)
        return ReceivedFax(
            fax_id=row.id,
            provider_id=row.provider_id,
            caller=row.caller,
            caller_raw=row.caller_raw,
            called=row.called or row.called_raw,
            remote_station=row.remote_station,
            received_at=row.received_at,
            account=row.account,
            route=judged.name if judged else "",
            pages=made.pages,
            tiff=tiff,
            pdf=made.pdf,
            faults=tuple(_sentence(fault, self._words, shown) for fault in made.faults),
            picture_png=made.picture,
            problem=made.problem,
            problem_detail=made.detail,
            format=(route.format if route else None) or inbound.format,
            shape=(route.privacy if route else None) or inbound.privacy,
            subject=_own(route.subject if route else None, inbound.subject),
            file_name=_own(route.file_name if route else None, inbound.file_name),
            json_part=inbound.json_part if route is None or route.json_part is None else route.json_part,
            language=language,
            timezone=timezone,
        )


def _leaner(fax: ReceivedFax) -> Iterator[ReceivedFax]:
    """What can be left out of a mail before the fax itself: the picture, then the TIFF where there is a PDF too."""
    if fax.shape != "attachment":
        return
    fax = replace(fax, picture_png=None)
    yield fax
    if fax.pdf is not None and fax.tiff and (fax.format == "both" or (fax.format == "pdf" and fax.faults)):
        yield replace(fax, without_tiff=True)


def _own(own: str | None, common: str) -> str:
    return common if own is None else own


def _link(claim: Claim, file: File) -> NewDelivery:
    return NewDelivery(
        link_id(claim), DeliveryKind.LINK, claim.received_id, "", file.name, file.content_type, file.data, claim.until
    )


def link_id(claim: Claim) -> str:
    return f"link-{claim.received_id}-{claim.index}"


def _with_id(name: str, fax_id: str) -> str:
    """The id is in the name even where the rest of it was too long."""
    stem, dot, ending = name.rpartition(".")
    return name if fax_id in stem else f"{file_stem(stem, fax_id)}-{fax_id}{dot}{ending}"


def _sentence(fault: Fault, words: Words, shown: Shown) -> str:
    return words.phrase(
        shown.language,
        f"fault.{fault.kind}",
        page=fault.page,
        lost=shown.count(fault.lost),
        total=shown.count(fault.total),
        detail=line(fault.detail, MOST_DETAIL),
    )
