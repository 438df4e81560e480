//! The JSON Schemas of mapping files and code tables, for editors: made of the functions, the resources and their elements, and of the
//! keys told here, which tests hold to what the compiler takes.

use hub_fhir::elements::{Class, Element, TypeDef, TypeKind, TypeRef, type_names, type_of};
use hub_fhir::{Json, Object, ResourceType};

use crate::functions::names as function_names;

/// One key of a table: its name, the schema of its value, and what it means.
type Key = (&'static str, fn() -> Object, &'static str);

/// The keys of a mapping file.
const FILE: &[Key] = &[
    ("name", text, "Equals the path below mappings/, without the suffix: `lis/oru-r01`"),
    ("version", version, "The version of this mapping, from 1"),
    ("about", text, "What it is for, for people"),
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
const INCLUDE: &[Key] = &[
    ("part", text, "The mapping file that is included: `hl7v2/patient`"),
    ("each", path, "The node of those of the part's resources that have none of their own"),
    ("write", write, "How all of the part's resources are written"),
    ("invalid", invalid, "What is done with values that do not fit, where the part's lines do not say it"),
];

/// The keys of a `[[resource]]`.
const RESOURCE: &[Key] = &[
    ("as", text, "The name other lines refer to it by"),
    ("type", kind, "The type of the resource"),
    (
        "each",
        path_or_list,
        "One resource for each node found; without it one for each message. A list: the nodes of all of them",
    ),
    ("when", condition, "Without a match there is no resource; seen from the node of `each`"),
    ("once", texts, "Paths that may name one node at most; a second one sets the message aside"),
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
        "`put`: it is this from now on; `merge`: its elements replace the stored ones; `ensure`: made when it is not there",
    ),
    ("set", free, "Its elements, each with a line: `birthDate = { from = \"PID-7\" }`"),
];

/// The keys of a line. `type` belongs to lines of a partner's message.
const LINE: &[Key] = &[
    ("from", path, "The source path: `PID-5`. `a | b` is the first that has a value"),
    ("value", anything, "A literal: text, a number, true or false, or a table or list written as FHIR JSON"),
    ("ref", text, "A reference to the resource of this name"),
    ("set", lines, "Builds an object of lines"),
    (
        "as",
        function,
        "The function that makes the value; left out: the one named like the element's type. `by PATH`: picked by the type the sender names",
    ),
    ("code", text, "The code table the value goes through: `hl7-0085`"),
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
const CODE_TABLE: &[Key] = &[
    ("name", text, "Equals the name of the file below mappings/codes/, without the suffix"),
    ("about", text, "What its codes are, for people"),
    ("source", text, "The system of the sender's codes"),
    ("target", text, "The system of the codes written"),
    (
        "other",
        other,
        "What is done with a code that is not listed: `quarantine` sets the message aside, `keep` writes it as it is, `drop` leaves it out, `{ value = \"unknown\" }` writes this instead",
    ),
    (
        "codes",
        codes,
        "The sender's codes, and what is written: `F = \"final\"`, or `{ code = \"final\", display = \"Final\" }`",
    ),
];

/// The keys of a code that is more than its text.
const CODE: &[Key] = &[
    ("code", text, "The code written"),
    ("system", text, "Its system, where it is not the table's target"),
    ("display", text, "Its words"),
];

/// The schema of mapping files. `read` and `written` are the formats there are.
pub fn mapping_schema(read: &[&str], written: &[&str]) -> Object {
    let mut file = table(FILE, &["name", "version", "from"]);
    // FHIR resources are changes to the store, whether or not they can be written as a message too.
    let fhir = ["fhir"].into_iter().filter(|fhir| !written.contains(fhir));
    let formats: Vec<&str> = written.iter().copied().chain(fhir).collect();
    for (key, known) in [("from", read), ("to", formats.as_slice())] {
        if let Some(Json::Object(property)) = at(&mut file, &["properties", key]) {
            property.set("enum", words(known.iter().copied()));
        }
    }
    let mut definitions = Object::new();
    definitions.set(
        "path",
        described(text(), "A path into the source: `PID-3.1`, `PID-3[5=PI] | PID-3`, `Patient.name.family`"),
    );
    definitions.set("condition", described(text(), "A condition: `PID-8 = \"F\"`, `PID-5 is valued`, with `in`, `matches`, `and`, `or`, `not`, `all`"));
    definitions.set("function", described(function_definition(), "A function of the mapping language"));
    let mut line = table(LINE, &[]);
    line.set("minProperties", number(1));
    definitions.set("oneLine", line.clone());
    line.set("type", words(["object", "array"]));
    line.set("items", reference("oneLine"));
    definitions.set("line", line);
    definitions.set("resource", resource());
    for name in type_names() {
        let Some(def) = type_of(name) else { continue };
        definitions.set(name, elements(def));
        if def.class != Class::Resource {
            definitions.set(&line_of(name), typed_line(name));
        }
    }
    whole("Huitong: a mapping", "How one document becomes another: docs/mapping.md", file, Some(definitions))
}

/// The schema of code tables.
pub fn code_table_schema() -> Object {
    let file = table(CODE_TABLE, &["name", "other", "codes"]);
    whole("Huitong: a code table", "What a sender's codes mean: docs/mapping.md", file, None)
}

fn whole(title: &str, about: &str, file: Object, definitions: Option<Object>) -> Object {
    let mut schema = Object::new();
    schema.set("$schema", "http://json-schema.org/draft-07/schema#");
    schema.set("title", title);
    schema.set("description", about);
    for (name, value) in file {
        schema.push(name, value);
    }
    if let Some(definitions) = definitions {
        schema.set("definitions", definitions);
    }
    schema
}

/// A table that has these keys and no others.
fn table(keys: &[Key], required: &[&str]) -> Object {
    let mut properties = Object::new();
    for (name, schema, about) in keys {
        properties.set(name, described(schema(), about));
    }
    let mut table = of_type("object");
    table.set("properties", properties);
    table.set("additionalProperties", false);
    if !required.is_empty() {
        table.set("required", words(required.iter().copied()));
    }
    table
}

/// A reference takes no words beside it: they stand where it points, or around it.
fn described(mut schema: Object, about: &str) -> Object {
    if let Some(pointer) = schema.remove("$ref") {
        let mut pointing = Object::new();
        pointing.set("$ref", pointer);
        schema.set("allOf", vec![Json::Object(pointing)]);
    }
    let mut described = Object::new();
    described.set("description", about);
    for (name, value) in schema {
        described.push(name, value);
    }
    described
}

/// One `[[resource]]`: its keys, and under `set` the elements of its type.
fn resource() -> Object {
    let mut resource = table(RESOURCE, &["as", "type", "id", "set"]);
    let branch = |kind: ResourceType| {
        let name = kind.name();
        let mut is_it = Object::new();
        let mut kind = Object::new();
        kind.set("const", name);
        is_it.set("type", kind);
        let mut set = Object::new();
        set.set("set", reference(name));
        (properties(is_it), properties(set))
    };
    // The first gives errors of the one type; the second is what editors complete by, and always holds.
    let mut checks = Vec::new();
    let mut offers = Vec::new();
    for kind in ResourceType::all() {
        let (mut is_it, set) = branch(kind);
        is_it.set("required", words(["type"]));
        let mut offer = Object::new();
        offer.set("allOf", vec![Json::Object(is_it.clone()), Json::Object(set.clone())]);
        offers.push(Json::Object(offer));
        let mut check = Object::new();
        check.set("if", is_it);
        check.set("then", set);
        checks.push(Json::Object(check));
    }
    offers.push(Json::Bool(true));
    resource.set("allOf", checks);
    resource.set("anyOf", offers);
    resource
}

/// The elements of a type, each with its line.
fn elements(def: &'static TypeDef) -> Object {
    let mut known = Object::new();
    for element in &def.elements {
        let is_fixed = def.class == Class::Resource && element.name == "id";
        if is_fixed {
            continue;
        }
        known.set(element.name, element.sole_type().map_or_else(line, line_for));
        for (at, name) in element.concrete.iter().enumerate() {
            known.set(name, element.types.get(at).map_or_else(line, line_for));
        }
    }
    let mut beside = Object::new();
    beside.set("^_[a-z]", line());
    let mut elements = of_type("object");
    elements.set("properties", known);
    elements.set("patternProperties", beside);
    elements.set("additionalProperties", false);
    let has_choice = def.elements.iter().any(Element::is_choice);
    if has_choice {
        elements.set("description", "`x[x]` is a choice: the type of the value picks the name");
    }
    elements
}

fn line_for(of: &TypeRef) -> Object {
    match of.kind {
        TypeKind::Complex(id) => reference(&line_of(id.def().name)),
        TypeKind::Primitive(_) | TypeKind::AnyResource => line(),
    }
}

fn line_of(name: &str) -> String {
    format!("line.{name}")
}

/// A line for an element of this type: what its `set` may have.
fn typed_line(name: &str) -> Object {
    let mut set = Object::new();
    set.set("set", reference(name));
    let mut typed = properties(set);
    typed.set("items", typed.clone());
    let mut line = Object::new();
    line.set("allOf", vec![Json::Object(reference("line")), Json::Object(typed)]);
    line
}

fn function_definition() -> Object {
    let mut by = text();
    by.set("pattern", "^by .+");
    let mut named = Object::new();
    named.set("enum", words(function_names()));
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(named), Json::Object(by)]);
    either
}

fn resources() -> Object {
    list(reference("resource"))
}

fn includes() -> Object {
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(text()), Json::Object(table(INCLUDE, &["part"]))]);
    list(either)
}

fn message() -> Object {
    let mut keys = Object::new();
    keys.set(
        "layout",
        described(free(), "How the format written is laid out, for formats that have to be told"),
    );
    keys.set("set", described(lines(), "The members of the message, each with a line"));
    let mut message = properties(keys);
    message.set("type", "object");
    message.set("additionalProperties", false);
    message.set("required", words(["set"]));
    message
}

fn unread() -> Object {
    let mut keys = Object::new();
    keys.set("on_purpose", described(systems(), "Paths, each with the reason why it is not read"));
    let mut unread = properties(keys);
    unread.set("type", "object");
    unread.set("additionalProperties", false);
    unread
}

fn other() -> Object {
    let mut named = Object::new();
    named.set("enum", words(["quarantine", "keep", "drop"]));
    let mut value = table(&[("value", text, "The code written"), CODE[1], CODE[2]], &["value"]);
    value.set("type", "object");
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(named), Json::Object(value)]);
    either
}

fn codes() -> Object {
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(text()), Json::Object(table(CODE, &["code"]))]);
    let mut codes = of_type("object");
    codes.set("additionalProperties", either);
    codes
}

fn path_or_list() -> Object {
    let mut paths = Object::new();
    paths.set("type", words(["string", "array"]));
    paths.set("items", path());
    paths
}

fn systems() -> Object {
    let mut pairs = of_type("object");
    pairs.set("additionalProperties", text());
    pairs
}

fn lines() -> Object {
    let mut lines = of_type("object");
    lines.set("additionalProperties", line());
    lines
}

fn kind() -> Object {
    one_of(ResourceType::all().map(ResourceType::name))
}

fn write() -> Object {
    one_of(["put", "merge", "ensure"])
}

fn invalid() -> Object {
    one_of(["quarantine", "drop", "text"])
}

fn json_type() -> Object {
    one_of(["string", "number", "boolean"])
}

fn one_of(known: impl IntoIterator<Item = &'static str>) -> Object {
    let mut schema = Object::new();
    schema.set("enum", words(known));
    schema
}

fn version() -> Object {
    let mut version = of_type("integer");
    version.set("minimum", number(1));
    version
}

fn zone() -> Object {
    let mut zone = text();
    zone.set("pattern", "^([+-][0-9]{2}:[0-9]{2}|Z)$");
    zone
}

fn anything() -> Object {
    Object::new()
}

fn free() -> Object {
    of_type("object")
}

fn text() -> Object {
    of_type("string")
}

fn truth() -> Object {
    of_type("boolean")
}

fn texts() -> Object {
    list(text())
}

fn path() -> Object {
    reference("path")
}

fn condition() -> Object {
    reference("condition")
}

fn function() -> Object {
    reference("function")
}

fn line() -> Object {
    reference("line")
}

fn reference(definition: &str) -> Object {
    let mut reference = Object::new();
    reference.set("$ref", format!("#/definitions/{definition}"));
    reference
}

fn list(items: Object) -> Object {
    let mut list = of_type("array");
    list.set("items", items);
    list
}

fn properties(known: Object) -> Object {
    let mut schema = Object::new();
    schema.set("properties", known);
    schema
}

fn of_type(name: &str) -> Object {
    let mut schema = Object::new();
    schema.set("type", name);
    schema
}

fn number(number: i64) -> Json {
    Json::from(number)
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<Json> {
    words.into_iter().map(Json::from).collect()
}

fn at<'o>(object: &'o mut Object, steps: &[&str]) -> Option<&'o mut Json> {
    let (last, before) = steps.split_last()?;
    let mut object = object;
    for step in before {
        object = object.get_mut(step)?.as_object_mut()?;
    }
    object.get_mut(last)
}
