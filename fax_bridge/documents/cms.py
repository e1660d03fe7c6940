"""S/MIME in one piece: the content of a signed or compressed mail is taken out, an encrypted one is refused.

No signature is checked: who may send is decided by the SMTP dialogue, and nothing here depends on the signer.
"""

import zlib

from asn1crypto import cms

from fax_bridge.errors import DocumentRefused


def unpack(data: bytes, *, most: int) -> bytes:
    """The MIME entity inside (RFC 8551 §3.5.2); an empty one where only certificates are sent (§3.8).

    Refused: ``mail_encrypted``, ``packed_broken``.
    """
    info = cms.ContentInfo.load(data)
    match info["content_type"].native:
        case "signed_data":
            content = info["content"]["encap_content_info"]["content"].native
            return content if isinstance(content, bytes) else b""
        case "compressed_data":
            inflater = zlib.decompressobj()
            entity = inflater.decompress(info["content"]["encap_content_info"]["content"].native, most)
            if not inflater.eof:
                raise DocumentRefused(0, "packed_broken", "what is compressed in it is cut off, or too large")
            return entity
        case "enveloped_data" | "authenticated_enveloped_data" | "encrypted_data" | "signed_and_enveloped_data":
            raise DocumentRefused(0, "mail_encrypted")
        case other:
            raise DocumentRefused(0, "packed_broken", f"a CMS object of the type {other}")
