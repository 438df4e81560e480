#!/usr/bin/env python3
"""Writes simplified.txt: a line for each traditional Chinese character, followed by the simplified one it is compared as.

    pip install opencc-python-reimplemented && python3 engine/fhir/tables/simplified.py

The facts are those of OpenCC (Apache-2.0). Where several characters are possible the first, which is the usual one, is taken.
"""

import unicodedata
from pathlib import Path

import opencc

HERE = Path(__file__).resolve().parent
SOURCE = Path(opencc.__file__).parent / "dictionary" / "TSCharacters.txt"


def pairs():
    rows = (line.split("\t") for line in SOURCE.read_text(encoding="utf-8").splitlines())
    return {old: new.split(" ")[0] for old, new in rows}


def simplest(letter, table):
    """What a character ends at, so that what is simplified stays so."""
    seen = [letter]
    while table.get(seen[-1], seen[-1]) not in seen:
        seen.append(table[seen[-1]])
    return seen[-1]


table = pairs()
lines = [old + simplest(old, table) for old in sorted(table) if simplest(old, table) != old]
lines = [line for line in lines if unicodedata.normalize("NFD", line) == line and len(line) == 2]
(HERE / "simplified.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
