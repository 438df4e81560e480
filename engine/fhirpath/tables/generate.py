#!/usr/bin/env python3
"""Writes invariants.tsv of this folder from the official FHIR R4B definitions.

    HUITONG_CORPUS=path/to/data python3 engine/fhirpath/tables/generate.py

`@owner`, then its rules: key, severity (E: error, W: warning), expression, text for people.
An owner is a type (`Patient`, `Patient.contact`, `Period`) or an element of one (`Organization.telecom`).
What a type inherits stands with the type it inherits it from: ele-1 with Element, dom-2 with DomainResource.
"""

import gzip
import json
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CORPUS = Path(os.environ.get("HUITONG_CORPUS") or ROOT.parent / "shared" / "data") / "fhir-definitions"

# Expressions of the definitions that cannot mean what they say; the key, what is replaced, by what, and why.
ERRATA = {
    # `$this` is the ElementDefinition here, which has no length; the path that is cut is `id`.
    "sdf-24": ("$this.length()", "id.length()"),
    "sdf-25": ("$this.length()", "id.length()"),
}

# Rules about an element their type does not have: key and owner. Nothing can break them.
VOID = {("cid-0", "ChargeItemDefinition"), ("cnl-0", "Evidence"), ("cnl-0", "EvidenceReport")}


def bundle(name):
    with gzip.open(CORPUS / f"r4b-4.3.0/{name}.json.gz") as file:
        return [entry["resource"] for entry in json.load(file)["entry"]]


def line(rule):
    expression = rule["expression"]
    if rule["key"] in ERRATA:
        before, after = ERRATA[rule["key"]]
        if before not in expression:
            raise SystemExit(f"{rule['key']} no longer needs its erratum")
        expression = expression.replace(before, after)
    cells = [rule["key"], {"error": "E", "warning": "W"}[rule["severity"]], expression, rule["human"]]
    return "\t".join(" ".join(cell.split()) for cell in cells)


def main():
    definitions = [d for name in ("profiles-types", "profiles-resources") for d in bundle(name)
                   if d["resourceType"] == "StructureDefinition"]
    of_profile = {}
    rules = {}
    for definition in definitions:
        if definition.get("derivation") == "constraint":
            root = definition["snapshot"]["element"][0]
            own = [rule for rule in root["constraint"] if rule.get("source", definition["url"]) == definition["url"]]
            of_profile[definition["url"]] = [rule for rule in own if rule["key"] not in ("ele-1", "qty-3")]
    for definition in definitions:
        if definition.get("derivation") == "constraint":
            continue
        name = definition["name"]
        for element in definition["snapshot"]["element"]:
            found = list(element.get("constraint", []))
            for kind in element.get("type", []):
                for profile in kind.get("profile", []):
                    found += of_profile.get(profile, [])
            for rule in found:
                if "expression" not in rule:
                    continue
                owner = element["path"]
                # The generic rules, written at every element: once, where they belong.
                if rule["key"] == "ele-1" and owner != "Element":
                    continue
                if rule["key"] == "ext-1" and owner != "Extension":
                    continue
                if (rule["key"], owner) in VOID:
                    continue
                if rule["key"].startswith("dom-") and name != "DomainResource":
                    continue
                made = line(rule)
                if made not in rules.setdefault(owner, []):
                    rules[owner].append(made)
    lines = []
    for owner in sorted(rules):
        if rules[owner]:
            lines.append("@" + owner)
            lines += rules[owner]
    path = HERE / "invariants.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = sum(len(own) for own in rules.values())
    print(f"{path.name}: {count} rules, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
