"""``preview+NUMBER@domain``, with any options behind the number: show me the fax, send nothing."""

PREVIEW = "preview+"


def preview_of(local: str) -> tuple[bool, str]:
    """Whether the local part of an address asks for a preview, and the local part of the fax that it asks about."""
    bare = local.strip('"')
    if bare[: len(PREVIEW)].lower() == PREVIEW:
        return True, bare[len(PREVIEW) :]
    return False, local
