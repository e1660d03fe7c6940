"""With ``faxmax.document = "raster"`` the document that is sent is the dots of the fax, drawn here and nowhere else."""

import hashlib
from dataclasses import replace

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.document import Prepared, Unfaxable
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper, Resolution


async def rastered(
    made: Prepared, documents: Documents, *, paper: Paper, resolution: Resolution
) -> Prepared | Unfaxable:
    """The same pages, each as one picture at the fax's resolution; what is told of them is exact then.

    A document so long that it cannot be drawn within the limits of one job is refused.
    """
    try:
        dots = await documents.raster_pdf(made.pdf, resolution=resolution, paper=paper)
    except DocumentRefused as refusal:
        return Unfaxable(refusal.reason, refusal.detail, made.fates)
    return replace(made, pdf=dots.pdf, sha256=hashlib.sha256(dots.pdf).hexdigest(), facts=dots.facts)
