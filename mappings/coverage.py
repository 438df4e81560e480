#!/usr/bin/env python3
"""Says which rows of the official HL7 v2-to-FHIR segment tables the house's mappings cover, and writes the report.

A row names a v2 field and a FHIR element. It is covered when a mapping writes that element of that resource from that field, or,
where the row goes through another resource in parentheses, when that resource is made from the field. What is left out on purpose
stands in left-out.tsv with its reason. What is neither is missing.

Usage: coverage.py            writes docs/v2-to-fhir-coverage.md
       coverage.py --check    writes nothing; fails when the report is not up to date or a row is missing
"""

import csv
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "v2-to-fhir-coverage.md"
SEGMENTS = ["PID", "PD1", "NK1", "PV1", "PV2", "AL1", "DG1", "IN1", "OBR", "OBX", "NTE", "SPM"]
FIELD = re.compile(r"\b([A-Z][A-Z0-9]{2})-(\d+)")


def lines_of(path):
    """Every line of a mapping that writes something: (resource type, element, fields read, line number)."""
    kind = section = element = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        if line.startswith("[["):
            kind = section = element = None
        elif line.startswith("["):
            words = line.strip("[]").split(".")
            section = words[1:] if words[0] == "resource" else ["unread"]
        elif match := re.match(r'type\s*=\s*"(\w+)"', line):
            if section is None:
                kind = match[1]
        if match := re.match(r'"?([\w\[\]]+)"?\s*=', line):
            element = match[1]
            if section and len(section) > 1:
                element = section[1]
            elif section is None and element == "set":
                element = re.search(r"{\s*(\w+)\s*=", line)[1]
            elif section is None:
                element = "(" + element + ")"
        if section == ["unread"] or not element:
            continue
        fields = {f"{segment}-{field}" for segment, field in FIELD.findall(line)}
        yield kind, element, fields, number


def wanted(name):
    """`OBR[DiagnosticReport]_-_OBR.csv`: the segment and the resource."""
    match = re.match(r"(\w+)\[(\w+)", name)
    return match[1], match[2]


def root(attribute):
    """`telecom[1].use` is `telecom`; `valueQuantity[1]` and `value[x]` meet as `value`."""
    if attribute == "local implementation":
        return "extension"
    word = re.match(r"[A-Za-z$]+", attribute.strip().replace("element(", ""))
    return stem(word[0]) if word else ""


def stem(element):
    for choice in ("value", "deceased", "multipleBirth", "effective", "onset", "collected", "occurrence"):
        if re.fullmatch(choice + r"(\[x\]|[A-Z]\w*)", element):
            return choice
    return element


def sheet_rows(path):
    with open(path, encoding="utf-8-sig", newline="") as file:
        for row in list(csv.reader(file))[2:]:
            row = [" ".join(cell.split()) for cell in row] + [""] * 20
            attribute = row[9] or row[10]
            if row[1] and attribute:
                yield row[1], row[2], attribute, row[6] or row[8]


def find(lines, kind, field, attribute):
    """The first mapping line that covers a row."""
    others = set(re.findall(r"\((?:[\w.]*?)?([A-Z]\w+)", attribute)) | set(re.findall(r"\(([A-Z]\w+)", attribute))
    element = root(attribute)
    is_field = re.fullmatch(r"[A-Z][A-Z0-9]{2}-\d+", field)
    for place, found_kind, found_element, fields in lines:
        same_field = field in fields if is_field else True
        if not same_field:
            continue
        if found_kind == kind and (stem(found_element) == element or element == "$this"):
            return place
    for place, found_kind, found_element, fields in lines:
        if is_field and field in fields and found_kind in others:
            return place
    return None


def table(name):
    with open(HERE / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def reason_for(left_out, sheet, field, attribute):
    for entry in left_out:
        fits = entry["sheet"] == sheet and entry["field"] in ("*", field)
        if fits and attribute.startswith(entry["attribute"]):
            entry["used"] = True
            return entry["reason"]
    return None


def report(sheets):
    lines = []
    for path in sorted(HERE.rglob("*.toml")):
        if path.parent.name != "codes":
            name = f"mappings/{path.relative_to(HERE).as_posix()}"
            lines += [(f"{name}:{number}", kind, element, fields) for kind, element, fields, number in lines_of(path)]
    left_out = table("left-out.tsv")
    names = sorted(name for name in os.listdir(sheets) if wanted(name)[0] in SEGMENTS)
    names.sort(key=lambda name: SEGMENTS.index(wanted(name)[0]))
    summary, covered, purposely, missing = [], [], [], []
    for name in names:
        segment, kind = wanted(name)
        sheet = f"{segment}[{kind}]" if "-" not in name.split("]")[0] else name.split("]")[0] + "]"
        counts = [0, 0, 0]
        for field, title, attribute, condition in sheet_rows(sheets / name):
            where = find(lines, kind, field, attribute)
            row = f"| {sheet} | {field} {title} | `{attribute.replace('|', '/')}` |"
            reason = reason_for(left_out, sheet, field, attribute)
            # What left-out.tsv says wins: a field may be read for something else.
            if reason:
                counts[1] += 1
                purposely.append(f"{row} {reason} |")
            elif where:
                counts[0] += 1
                covered.append(f"{row} {where} |")
            else:
                counts[2] += 1
                missing.append(f"{row} {condition} |")
        if sum(counts):
            summary.append(f"| {sheet} | {sum(counts)} | {counts[0]} | {counts[1]} | {counts[2]} |")
            total = [sum(counts), *counts]
            report.totals = [a + b for a, b in zip(report.totals, total)]
    unused = [entry for entry in left_out if "used" not in entry]
    for entry in unused:
        missing.append(f"| {entry['sheet']} | {entry['field']} | `{entry['attribute']}` | left-out.tsv names a row that is not there |")
    total = " | ".join(str(count) for count in report.totals)
    text = [
        "# Coverage of the official HL7 v2-to-FHIR tables",
        "",
        "Made by `mappings/coverage.py` from the segment tables of HL7's v2-to-FHIR guide, the mappings and `mappings/left-out.tsv`;",
        "do not edit it. A row is one v2 field and one FHIR element; rows without a FHIR element are not counted.",
        "",
        "| table | rows | covered | left out on purpose | missing |",
        "|---|---|---|---|---|",
        *summary,
        f"| **all** | {total} |",
        "",
        "## Missing",
        "",
        *(["| table | field | element | condition |", "|---|---|---|---|", *missing] if missing else ["Nothing."]),
        "",
        "## Left out on purpose",
        "",
        "| table | field | element | why |",
        "|---|---|---|---|",
        *purposely,
        "",
        "## Covered",
        "",
        "| table | field | element | mapping line |",
        "|---|---|---|---|",
        *covered,
        "",
    ]
    return "\n".join(text), len(missing)


def main():
    report.totals = [0, 0, 0, 0]
    corpus = os.environ.get("HUITONG_CORPUS", HERE.parent.parent / "shared" / "data")
    text, missing = report(Path(corpus) / "v2-to-fhir-maps" / "segments")
    if "--check" in sys.argv:
        if not REPORT.exists() or REPORT.read_text(encoding="utf-8") != text:
            sys.exit("docs/v2-to-fhir-coverage.md is not up to date: run mappings/coverage.py")
        if missing:
            sys.exit(f"{missing} rows are neither covered nor in mappings/left-out.tsv")
        return
    REPORT.write_text(text, encoding="utf-8")
    rows, covered, purposely, missing = report.totals
    print(f"{rows} rows: {covered} covered, {purposely} left out on purpose, {missing} missing")


if __name__ == "__main__":
    main()
