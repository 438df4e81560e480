#!/usr/bin/env python3
"""Makes the code tables of this folder from the official HL7 v2-to-FHIR sheets and from our own additions.

tables.tsv    which table comes of which official sheet, and what becomes of a code that is not in it
additions.tsv codes that the official sheets leave open and codes of Chinese practice; they win over the sheets

Usage: generate.py [FOLDER]     FOLDER holds the sheets (default: v2-to-fhir-maps/codesystems of the corpus)
       generate.py --check ...  writes nothing; says whether the files are as they would be written
"""

import csv
import os
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent

def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

def official(path):
    """The rows of a sheet that map a v2 code to a FHIR code: (code, target, display, system)."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.reader(file))
    head = [cell.strip().lower() for cell in sheet[1]]
    target_at = head.index("code", 1)
    display_at = head.index("display", target_at) if "display" in head else None
    system_at = head.index("code system", target_at)
    for row in sheet[2:]:
        row = [cell.strip() for cell in row] + [""] * 20
        if row[0] and row[target_at] and row[system_at].startswith(("http", "urn")):

            # Some sheets have the display in the unnamed column beside the code.
            display = row[display_at] if display_at else ""
            yield row[0], row[target_at], display or row[target_at + 1], row[system_at]

def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

def table(entry, sheets, additions):
    codes = {code: found for code, *found in official(sheets / f"{entry['sheet']}.csv")}
    for extra in additions:
        if extra["table"] == entry["table"]:
            codes[extra["code"]] = [extra["target"], extra["display"], extra["system"]]
    other = {"unknown": '{ value = "unknown" }'}.get(entry["other"], quote(entry["other"]))
    lines = [
        "# Made by generate.py from the official sheet and additions.tsv; change those, not this.",
        f"name   = {quote(entry['table'])}",
        f"about  = {quote(entry['about'])}",
    ]
    if entry["source"]:
        lines.append(f"source = {quote(entry['source'])}")
    lines += [f"target = {quote(entry['target'])}", f"other  = {other}", "", "[codes]"]
    for code, (target, display, system) in sorted(codes.items()):
        parts = [f"code = {quote(target)}"]
        if display:
            parts.append(f"display = {quote(display)}")
        if system and system != entry["target"]:
            parts.append(f"system = {quote(system)}")
        plain = len(parts) == 1
        lines.append(f"{quote(code)} = " + (quote(target) if plain else "{ " + ", ".join(parts) + " }"))
    return "\n".join(lines) + "\n"

def main():
    arguments = [word for word in sys.argv[1:] if word != "--check"]
    corpus = os.environ.get("HUITONG_CORPUS", HERE.parent.parent.parent / "shared" / "data")
    sheets = Path(arguments[0]) if arguments else Path(corpus) / "v2-to-fhir-maps" / "codesystems"
    additions = rows(HERE / "additions.tsv")
    tables = rows(HERE / "tables.tsv")
    unknown = {extra["table"] for extra in additions} - {entry["table"] for entry in tables}
    twice = [key for key, n in Counter((extra["table"], extra["code"]) for extra in additions).items() if n > 1]
    if unknown or twice:
        sys.exit(f"additions.tsv: unknown tables {sorted(unknown)}, codes listed twice {twice}")
    stale = []
    for entry in tables:
        path = HERE / f"{entry['table']}.toml"
        text = table(entry, sheets, additions)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit(f"not up to date, run generate.py: {', '.join(stale)}")

if __name__ == "__main__":
    main()
