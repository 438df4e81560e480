//! Every key a mapping file and a code table may have, with what it takes and what it means: the one list that the compiler, its
//! findings and the JSON Schemas go by.

use hub_fhir::Object;

use crate::schema::{
    anything, codes, condition, free, function, includes, invalid, json_type, kind, lines, message, missing,
    other, path, path_or_list, record, resources, rows, segments, systems, text, texts, truth, unread,
    version, write, zone,
};

/// One key of a table: its name, the schema of its value, and what it means.
pub(crate) type Key = (&'static str, fn() -> Object, &'static str);

/// The keys of a mapping file.
pub(crate) const FILE: &[Key] = &[
    ("name", text, "Equals the path below mappings/, without the suffix: `lis/oru-r01`"),
    ("version", version, "The version of this mapping, from 1"),
    ("about", text, "What it is for, for people"),
    (
        "extends",
        text,
        "Another mapping, which this one is with the changes told here: its formats, resources and lines hold where nothing else is said",
    ),
    ("without", texts, "The names of resources of the extended mapping that this one does not have"),
    (
        "request",
        text,
        "For a reply: the format of the request; paths that begin with `request` are read from it",
    ),
    ("from", text, "The format read"),
    ("source", free, "How the format read is laid out, for formats that have to be told: delimiter, columns"),
    ("to", text, "The format written; `fhir` when left out"),
    ("basis", text, "The tables or documents it follows"),
    ("zone", zone, "The zone of times that name none: `+08:00`, which is the default, or `Z`"),
    ("include", includes, "Parts: mapping files whose resources come before this file's own"),
    ("systems", systems, "What this sender's names of coding systems and authorities mean, as URIs"),
    ("resource", resources, "A FHIR resource that is written; once for each"),
    ("message", message, "The message for a partner"),
    ("unread", unread, "What is left unread on purpose"),
];

/// The keys of an item of `include`.
pub(crate) const INCLUDE: &[Key] = &[
    ("part", text, "The mapping file that is included: `hl7v2/patient`"),
    ("each", path, "The node of those of the part's resources that have none of their own"),
    ("write", write, "How all of the part's resources are written"),
    ("invalid", invalid, "What is done with values that do not fit, where the part's lines do not say it"),
];

/// The keys of a `[[resource]]`.
pub(crate) const RESOURCE: &[Key] = &[
    ("as", text, "The name other lines refer to it by"),
    ("type", kind, "The type of the resource"),
    (
        "each",
        path_or_list,
        "One resource for each node found; without it one for each message. A list: the nodes of all of them",
    ),
    ("when", condition, "Without a match there is no resource; seen from the node of `each`"),
    ("once", texts, "Paths that may name one node at most; a second one sets the message aside"),
    (
        "find",
        anything,
        "Looks the resource up in the store by search parameters: `{ identifier = \"PID-3\" }`; a list: the first that finds one",
    ),
    (
        "missing",
        missing,
        "When nothing is found: `quarantine` (the default), `create`, or `skip`; on a line `quarantine` or `skip`",
    ),
    ("known_by", path, "The first of these paths that has a value is what `@` stands for in `id`"),
    (
        "id",
        texts,
        "A namespace word, then paths: `[\"patient\", \"PID-3.1\"]`. Same parts, same id. A `?` at the end allows an empty part",
    ),
    ("differs_from", text, "The name of another resource whose id must not be the same"),
    (
        "write",
        write,
        "`replace`: it is this from now on; `merge`: its elements replace the stored ones; `ensure`: made when it is not there",
    ),
    ("set", free, "Its elements, each with a line: `birthDate = { from = \"PID-7\" }`"),
];

/// What a `[[resource]]` that changes one of the extended mapping may have besides.
pub(crate) const CHANGE: &[Key] =
    &[("without", texts, "Targets of the extended mapping that this one does not set")];

/// The keys of a `[message]`, of whatever format.
pub(crate) const MESSAGE: &[Key] = &[
    ("layout", free, "How the format written is laid out, for formats that have to be told"),
    ("root", text, "XML: the name of the root element"),
    ("set", lines, "JSON and XML: the members of the message, each with a line"),
    ("header", record, "CSV: the first record"),
    ("rows", rows, "CSV: one record for each node of `each`"),
    ("trailer", record, "CSV: the last record"),
    ("segment", segments, "HL7 v2: a segment, MSH first; once for each"),
];

/// The keys of the rows of a CSV message; header and trailer have `set` only.
pub(crate) const ROWS: &[Key] = &[
    ("each", path, "One row for each node found"),
    ("when", condition, "Without a match there is no row"),
    ("set", lines, "Its columns, each with a line"),
];

/// The keys of a header or trailer.
pub(crate) const RECORD: &[Key] = &[("set", lines, "Its columns, each with a line")];

/// The keys of a `[[message.segment]]`.
pub(crate) const SEGMENT: &[Key] = &[
    ("name", text, "The segment: `PID`"),
    ("each", path, "One segment for each node found; without it one"),
    ("when", condition, "Without a match there is no segment"),
    (
        "set",
        lines,
        "Its fields or their parts, each with a line: `\"PID-5\" = { from = \"Patient.name\", as = \"XPN\" }`",
    ),
    ("then", segments, "The segments that follow each one of it, seen from its node"),
];

/// The keys of a line. `type` belongs to lines of a partner's message.
pub(crate) const LINE: &[Key] = &[
    ("from", path, "The source path: `PID-5`. `a | b` is the first that has a value"),
    ("value", anything, "A literal: text, a number, true or false, or a table or list written as FHIR JSON"),
    ("ref", text, "A reference to the resource of this name"),
    (
        "find",
        anything,
        "A reference to a resource of the store: `{ type = \"Patient\", identifier = \"PID-3\" }`",
    ),
    ("missing", missing, "When `find` finds nothing: `quarantine` (the default) or `skip`"),
    ("set", lines, "Builds an object of lines"),
    (
        "as",
        function,
        "The function that makes the value; left out: the one named like the element's type. `by PATH`: picked by the type the sender names",
    ),
    ("code", text, "The code table the value goes through: `hl7-0085`"),
    ("code_back", text, "The same table the other way round: from the codes written to the sender's"),
    ("each", path, "The line is done once for each node found, seen from it"),
    ("when", condition, "The line is done only when this holds"),
    ("default", anything, "The value when nothing was found"),
    ("join", text, "Several values become one text, with this between them"),
    ("split", text, "One value becomes several, split at this"),
    ("system", text, "The system when the source names none"),
    (
        "invalid",
        invalid,
        "What is done with a value that does not fit: `quarantine` sets the message aside, `drop` leaves it out, `text` (with `by`) keeps it as text",
    ),
    (
        "clears",
        truth,
        "The HL7 null in the source removes the element; only with `write = \"merge\"`, where it is the default",
    ),
    ("initial", truth, "The value counts only when the resource is new; only with `write = \"merge\"`"),
    ("unit", path, "The unit of a Quantity, Range, Ratio or `by` value"),
    ("units", text, "The code table for the unit"),
    ("type", json_type, "In a partner's message: writes a bare number or boolean instead of text"),
];

/// The keys of a code table.
pub(crate) const CODE_TABLE: &[Key] = &[
    ("name", text, "Equals the name of the file below mappings/codes/, without the suffix"),
    ("about", text, "What its codes are, for people"),
    ("source", text, "The system of the sender's codes"),
    ("target", text, "The system of the codes written"),
    (
        "other",
        other,
        "What is done with a code that is not listed: `quarantine` sets the message aside, `keep` writes it as it is, `drop` leaves it out, `{ value = \"unknown\" }` writes this instead",
    ),
    ("back_other", other, "The same for the other way round (`code_back`); `quarantine` when left out"),
    (
        "back",
        systems,
        "For the other way round: which of several codes is written for a target code: `final = \"F\"`",
    ),
    (
        "codes",
        codes,
        "The sender's codes, and what is written: `F = \"final\"`, or `{ code = \"final\", display = \"Final\" }`",
    ),
];

/// The keys of a code that is more than its text.
pub(crate) const CODE: &[Key] = &[
    ("code", text, "The code written"),
    ("system", text, "Its system, where it is not the table's target"),
    ("display", text, "Its words"),
];

/// The names of keys.
pub(crate) fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|(name, ..)| *name).collect()
}
