"""How the command shows things to people: tables and plain lines, in colour where a person looks."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

# Nobody looks at a pipe: there a line is as long as it needs to be.
_out = Console(highlight=False, width=None if sys.stdout.isatty() else 240)


def faxes(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        _out.print("No faxes yet.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "accepted", "state", "number"):
        table.add_column(heading, no_wrap=True)
    for heading in ("from", "subject"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = row["state"] if row["result"] in (None, row["state"]) else f"{row['state']} ({row['result']})"
        if row["not_before"]:
            state = f"{state}, not before {row['not_before'].replace('T', ' ')[:16]}"
        when = row["accepted_at"].replace("T", " ")[:16]
        table.add_row(row["id"], when, state, row["shown"], row["from"], _plain(row["subject"]))
    _out.print(table)


def fax(found: dict[str, Any]) -> None:
    lines = Table.grid(padding=(0, 2))
    for key, value in found.items():
        if key in {"parts", "page_facts", "events", "shown"} or value in (None, "", []):
            continue
        lines.add_row(key.replace("_", " "), _plain(", ".join(value) if isinstance(value, list) else str(value)))
    _out.print(lines)
    _parts(found["parts"])
    _out.print()
    for step in found["events"]:
        _out.print(f"{step['at'].replace('T', ' ')[:19]}  {step['state']:<12} {_plain(step['note'])}", soft_wrap=True)


def pushes(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        when = row["received_at"].replace("T", " ")[:19]
        _out.print(
            f"{row['id']}  {when}  {row['state']:<11}  {row['bytes']:>9} B  {_plain(row['note'])}".rstrip(),
            soft_wrap=True,
        )


def push(found: dict[str, Any]) -> None:
    for key in ("id", "received_at", "client", "state", "note"):
        if found[key]:
            _out.print(f"{key.replace('_', ' ')}: {_plain(found[key])}", soft_wrap=True)
    _out.print()
    _out.print(_plain(found["body"]), soft_wrap=True)


def status_words(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        _out.print("FaxMAX has told no status yet.")
        return
    table = Table("word", "count", "taken for", "last", box=None, pad_edge=False)
    for row in rows:
        end = "final" if row["final"] else "not final"
        taken = ", ".join(filter(None, (row["class"], end))) if row["known"] else "not known, not final"
        taken += " (with sent_on only)" if row["only_with_sent_on"] else ""
        table.add_row(_plain(row["word"]), str(row["count"]), taken, row["last_at"].replace("T", " ")[:16])
    _out.print(table)
    unknown = [row for row in rows if not row["known"]]
    if unknown:
        _out.print()
        _out.print(r"To make them known, add to \[faxmax.status_map], restart, and replay the push:")
    for row in unknown:
        _out.print(f"  {_plain(row['line'])}    # fax-bridge pushes replay {row['last_push']}", soft_wrap=True)


def queue(told: dict[str, Any]) -> None:
    for name, states in told["counts"].items():
        shown = ", ".join(f"{number} {state}" for state, number in states.items()) or "none"
        _out.print(f"{name}: {shown}")
    if told["oldest_waiting_since"]:
        _out.print(f"waiting longest: since {told['oldest_waiting_since'].replace('T', ' ')[:19]}")
    for account in told["paused_accounts"]:
        _out.print(
            f"paused account: {account['name']} since {account['since']}: {_plain(account['reason'])}", soft_wrap=True
        )


def accounts(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        since = f"{row['state']} since {row['since']}"
        _out.print(f"{row['name']}: {since} {_plain(row['reason'])}".rstrip(), soft_wrap=True)


def explanation(facts: dict[str, Any]) -> None:
    _out.print(f"Subject: {_plain(facts['subject'])}", soft_wrap=True)
    for one in facts["recipients"]:
        at = f", not before {one['send_at']}" if one["send_at"] else ""
        _out.print(f"To:      {_plain(one['shown'] or one['fault'])}{at}  ({_plain(one['address'])})", soft_wrap=True)
    options = facts["options"]
    _out.print(f"Options: {options['paper_size']}, {options['resolution']}, language {options['language']}")
    if options["send_at"]:
        _out.print(f"Time:    not before {options['send_at']}")
    _parts(facts["parts"])
    _out.print()
    if facts["faxed"]:
        cover = ", and a cover" if facts["cover"] else ", without a cover"
        _out.print(f"It would be faxed: {facts['pages']} page(s){cover}.")
        for warning in facts["warnings"]:
            _out.print(f"! {_plain(warning)}", soft_wrap=True)
    else:
        refused = facts["refused"]
        _out.print(f"It would be refused: {refused['reason']} {_plain(refused['detail'])}".rstrip(), soft_wrap=True)


def audit(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        to = f" to {', '.join(row['shown'])}" if row["shown"] else ""
        facts = "; ".join(filter(None, (row["by_right"], row["detail"], row["sha256"])))
        when = row["at"].replace("T", " ")[:23]
        told = f"{when}  {row['act']:<9}  {_plain(row['who'])}  {_plain(row['about'])}{to}  ({_plain(facts)})"
        _out.print(told, soft_wrap=True)


def conversion(facts: dict[str, Any]) -> None:
    for page in facts["pages"]:
        size = f"{page['width_mm']:.1f} × {page['height_mm']:.1f} mm, {page['x_dpi']:.0f} × {page['y_dpi']:.0f} dpi"
        _out.print(f"page {page['number']}: {size} {page['fault']}".rstrip(), soft_wrap=True)
    for fault in facts["faults"]:
        _out.print(f"! {_plain(fault)}", soft_wrap=True)


def _parts(parts: Sequence[dict[str, Any]]) -> None:
    if not parts:
        return
    _out.print()
    table = Table("part", "type", "name", "bytes", "fate", box=None, pad_edge=False)
    for one in parts:
        pages = f" as pages {one['first_page']}–{one['last_page']}" if one["first_page"] else ""
        boxes = f"shown as boxes: {one['boxes']}" if one.get("boxes") else ""
        why = "; ".join(filter(None, (": ".join(filter(None, (one["reason"], one["detail"]))), boxes)))
        fate = f"{one['kind'].replace('_', ' ')}{pages}{f' ({why})' if why else ''}"
        table.add_row(one["part"], one["content_type"], _plain(one["name"]), str(one["size"]), _plain(fate))
    _out.print(table)


def _plain(text: str) -> str:
    """Outside text: no markup of rich's, no control characters of a terminal's."""
    return "".join(c if c.isprintable() else "?" for c in text).replace("[", r"\[")
