#!/usr/bin/env python3
"""Writes the tables of this folder from the official FHIR R4B definitions. Facts only, no prose.

    HUITONG_CORPUS=path/to/data python3 engine/fhir/tables/generate.py

types.txt     one resource type a line
elements.tsv  `@name <tab> class <tab> base`, then its own elements: name, types, min, max, marks, binding; the marks are `m` for a
              modifier and `s` for what belongs to a summary
params.tsv    `@base`, then its search parameters: code, kind, expression, target types; of a composite the components' codes; the id of
              its definition where that is not `base-code`
compartments.tsv  `@compartment`, then a line for each type that has members in it: type, parameters; `{def}` is the resource itself
codes.tsv     `@value set`, then a line for each system: system, codes; `*` when the codes are not listed here
"""

import gzip
import json
import os
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CORPUS = Path(os.environ.get("HUITONG_CORPUS") or ROOT.parent / "shared" / "data") / "fhir-definitions"
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
SHORT = "http://hl7.org/fhir/"


def bundle(name):
    with gzip.open(CORPUS / f"{name}.json.gz") as file:
        return [entry["resource"] for entry in json.load(file)["entry"]]


def tail(url):
    return url.split("|")[0].rsplit("/", 1)[-1]


def element_type(kind):
    """`Reference(Patient,Group)`, `canonical(Questionnaire)`, `string`."""
    code = kind["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        stated = [item["valueUrl"] for item in kind.get("extension", []) if item["url"] == FHIR_TYPE]
        code = stated[0] if stated else "string"
    targets = [tail(url) for url in kind.get("targetProfile", [])]
    targets = [target for target in targets if target not in ("Resource", "Any")]
    return f"{code}({','.join(targets)})" if targets and code in ("Reference", "canonical", "CodeableReference") else code


def inherited(element):
    """Whether an element is defined by the base and not by the type itself."""
    owner = element["base"]["path"].rsplit(".", 1)[0]
    return owner in ("Element", "BackboneElement", "Resource", "DomainResource")


def elements_table(definitions, value_sets):
    lines = []
    for definition in definitions:
        top = definition["name"]
        if definition["kind"] == "primitive-type":
            continue
        elements = definition["snapshot"]["element"]
        parents = {e["path"].rsplit(".", 1)[0] for e in elements if "." in e["path"]}
        for path in [e["path"] for e in elements if e["path"] in parents]:
            is_top = path == top
            base = tail(definition.get("baseDefinition", "")) if is_top else next(
                e["type"][0]["code"] for e in elements if e["path"] == path)
            kind = definition["kind"] if is_top else "backbone"
            # Quantity's children (Age, Count..) derive from a type with elements of its own: their snapshot has all.
            if is_top and kind == "complex-type" and base not in ("BackboneElement", ""):
                base = "Element"
            lines.append(f"@{path}\t{kind.removesuffix('-type')}\t{base}")
            for element in elements:
                owner, _, name = element["path"].rpartition(".")
                if owner != path:
                    continue
                if inherited(element) and not (is_top and top in ("Element", "BackboneElement", "Resource", "DomainResource")):
                    continue
                if is_top and top in ("BackboneElement", "DomainResource") and element["base"]["path"].split(".")[0] != top:
                    continue
                if element["path"] in parents:
                    types = "#" + element["path"]
                elif "contentReference" in element:
                    types = element["contentReference"]
                else:
                    types = "|".join(dict.fromkeys(element_type(kind) for kind in element["type"]))
                binding = element.get("binding", {})
                bound = ""
                if binding.get("strength") == "required" and "valueSet" in binding:
                    bound = tail(binding["valueSet"])
                    value_sets[bound] = binding["valueSet"].split("|")[0]
                marks = "m" * element.get("isModifier", False) + "s" * element.get("isSummary", False)
                lines.append("\t".join([name, types, str(element["min"]), element["max"], marks, bound]).rstrip("\t"))
    return lines


def concepts(items):
    for item in items:
        if not item.get("abstract"):
            yield item["code"]
        yield from concepts(item.get("concept", []))


def expand(url, sets, systems, seen=()):
    """The systems and codes of a value set; `None` for codes that are not listed in the definitions."""
    if url in seen or url not in sets:
        return [("", None)]
    found = []
    for part in sets[url]["compose"]["include"]:
        if "valueSet" in part:
            for inner in part["valueSet"]:
                found += expand(inner.split("|")[0], sets, systems, (*seen, url))
            continue
        system = part["system"]
        known = systems.get(system)
        if "filter" in part:
            found.append((system, None))
        elif "concept" in part:
            found.append((system, [concept["code"] for concept in part["concept"]]))
        elif known and known.get("content") == "complete":
            found.append((system, list(concepts(known.get("concept", [])))))
        else:
            found.append((system, None))
    return found


def codes_table(used, sets, systems):
    lines = []
    for name, url in sorted(used.items()):
        lines.append("@" + name)
        merged = {}
        for system, codes in expand(url, sets, systems):
            if codes is None or merged.get(system, []) is None:
                merged[system] = None
            else:
                merged.setdefault(system, []).extend(codes)
        for system, codes in merged.items():
            codes = ["*"] if codes is None else sorted(dict.fromkeys(codes))
            lines.append("\t".join([system, *codes]))
    return lines


def alternatives(expression):
    """The parts of a union, split where no parenthesis is open."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth == 0:
            parts.append(expression[start:at].strip())
            start = at + 1
    return parts + [expression[start:].strip()]


def params_table(parameters, types):
    by_base = {}
    code_of = {parameter["url"]: parameter["code"] for parameter in parameters}
    for parameter in parameters:
        for base in parameter["base"]:
            parts = []
            for part in alternatives(parameter.get("expression", "")):
                first = re.match(r"\(*\s*([A-Za-z]+)", part)
                root = first.group(1) if first else ""
                if root == base or (root and not root[0].isupper()):
                    parts.append(part)
            targets = [target for target in parameter.get("target", []) if target in types]
            # The definitions write "any" as a list of all types of their day.
            if len(targets) > 100:
                targets = []
            if parameter["type"] == "composite":
                targets = [code_of[part["definition"]] for part in parameter["component"]]
            known_as = "" if parameter["id"] == f"{base}-{parameter['code']}" else parameter["id"]
            row = [parameter["code"], parameter["type"], " | ".join(parts), ",".join(targets), known_as]
            by_base.setdefault(base, {}).setdefault(parameter["code"], "\t".join(row).rstrip("\t"))
    # `_text` stands in DomainResource and in Resource; both mean every type.
    by_base.setdefault("Resource", {}).update(by_base.pop("DomainResource", {}))
    lines = []
    for base in sorted(by_base):
        lines.append("@" + base)
        lines += [by_base[base][code] for code in sorted(by_base[base])]
    return lines


def compartments_table(definitions):
    lines = []
    for definition in sorted(definitions, key=lambda definition: definition["code"]):
        lines.append("@" + definition["code"])
        for part in sorted(definition["resource"], key=lambda part: part["code"]):
            if part.get("param"):
                lines.append(part["code"] + "\t" + ",".join(part["param"]))
    return lines


def write(name, lines):
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} lines, {(HERE / name).stat().st_size} bytes")


def main():
    own = [d for name in ("profiles-types", "profiles-resources") for d in bundle(f"r4b-4.3.0/{name}")
           if d["resourceType"] == "StructureDefinition" and d.get("derivation") != "constraint"]
    types = sorted(d["name"] for d in own if d["kind"] == "resource" and not d["abstract"])
    used = {}
    elements = elements_table(own, used)
    terms = [r for name in ("r4-4.0.1/v3-codesystems", "r4-4.0.1/valuesets", "r4b-4.3.0/valuesets") for r in bundle(name)]
    sets = {r["url"]: r for r in terms if r["resourceType"] == "ValueSet" and "compose" in r}
    systems = {r["url"]: r for r in terms if r["resourceType"] == "CodeSystem"}
    write("types.txt", types)
    write("elements.tsv", elements)
    write("params.tsv", params_table(bundle("r4b-4.3.0/search-parameters"), types))
    write("compartments.tsv", compartments_table(bundle("r4b-4.3.0/compartments")))
    write("codes.tsv", codes_table(used, sets, systems))


if __name__ == "__main__":
    main()
