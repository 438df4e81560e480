//! The JSON Schemas of mapping files and code tables, for editors: made of the functions, the resources and their elements, and of the
//! keys that the compiler itself goes by.

use hub_fhir::elements::{Class, Element, TypeDef, TypeKind, TypeRef, type_names, type_of};
use hub_fhir::{Json, Object, ResourceType};

use crate::functions::names as function_names;
use crate::keys::{self, Key};

/// The schema of mapping files. `read` and `written` are the formats there are.
pub fn mapping_schema(read: &[&str], written: &[&str]) -> Object {
    let mut file = table(keys::FILE, &["name", "version"]);
    // A mapping that extends another one says only what differs.
    let has = |key: &str| {
        let mut schema = Object::new();
        schema.set("required", words([key]));
        schema
    };
    let mut whole_resource = Object::new();
    whole_resource.set("required", words(["type", "set"]));
    let mut whole_file = has("from");
    let mut of_resources = Object::new();
    of_resources.set("resource", list(whole_resource));
    whole_file.set("properties", of_resources);
    file.set("anyOf", vec![Json::Object(has("extends")), Json::Object(whole_file)]);
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
    let mut line = table(keys::LINE, &[]);
    line.set("minProperties", number(1));
    definitions.set("oneLine", line.clone());
    line.set("type", words(["object", "array"]));
    line.set("items", reference("oneLine"));
    definitions.set("line", line);
    definitions.set("segment", table(keys::SEGMENT, &["name"]));
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
    let file = table(keys::CODE_TABLE, &["name", "other", "codes"]);
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
    let all: Vec<Key> = keys::RESOURCE.iter().chain(keys::CHANGE).copied().collect();
    let mut resource = table(&all, &["as"]);
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

pub(crate) fn resources() -> Object {
    list(reference("resource"))
}

pub(crate) fn includes() -> Object {
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(text()), Json::Object(table(keys::INCLUDE, &["part"]))]);
    list(either)
}

pub(crate) fn message() -> Object {
    table(keys::MESSAGE, &[])
}

pub(crate) fn record() -> Object {
    table(keys::RECORD, &[])
}

pub(crate) fn rows() -> Object {
    table(keys::ROWS, &[])
}

pub(crate) fn segments() -> Object {
    list(reference("segment"))
}

pub(crate) fn missing() -> Object {
    one_of(["quarantine", "create", "skip"])
}

pub(crate) fn unread() -> Object {
    let mut keys = Object::new();
    keys.set("on_purpose", described(systems(), "Paths, each with the reason why it is not read"));
    let mut unread = properties(keys);
    unread.set("type", "object");
    unread.set("additionalProperties", false);
    unread
}

pub(crate) fn other() -> Object {
    let mut named = Object::new();
    named.set("enum", words(["quarantine", "keep", "drop"]));
    let mut value = table(&[("value", text, "The code written"), keys::CODE[1], keys::CODE[2]], &["value"]);
    value.set("type", "object");
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(named), Json::Object(value)]);
    either
}

pub(crate) fn codes() -> Object {
    let mut either = Object::new();
    either.set("anyOf", vec![Json::Object(text()), Json::Object(table(keys::CODE, &["code"]))]);
    let mut codes = of_type("object");
    codes.set("additionalProperties", either);
    codes
}

pub(crate) fn path_or_list() -> Object {
    let mut paths = Object::new();
    paths.set("type", words(["string", "array"]));
    paths.set("items", path());
    paths
}

pub(crate) fn systems() -> Object {
    let mut pairs = of_type("object");
    pairs.set("additionalProperties", text());
    pairs
}

pub(crate) fn lines() -> Object {
    let mut lines = of_type("object");
    lines.set("additionalProperties", line());
    lines
}

pub(crate) fn kind() -> Object {
    one_of(ResourceType::all().map(ResourceType::name))
}

pub(crate) fn write() -> Object {
    one_of(["replace", "merge", "ensure"])
}

pub(crate) fn invalid() -> Object {
    one_of(["quarantine", "drop", "text"])
}

pub(crate) fn json_type() -> Object {
    one_of(["string", "number", "boolean"])
}

fn one_of(known: impl IntoIterator<Item = &'static str>) -> Object {
    let mut schema = Object::new();
    schema.set("enum", words(known));
    schema
}

pub(crate) fn version() -> Object {
    let mut version = of_type("integer");
    version.set("minimum", number(1));
    version
}

pub(crate) fn zone() -> Object {
    let mut zone = text();
    zone.set("pattern", "^([+-][0-9]{2}:[0-9]{2}|Z)$");
    zone
}

pub(crate) fn anything() -> Object {
    Object::new()
}

pub(crate) fn free() -> Object {
    of_type("object")
}

pub(crate) fn text() -> Object {
    of_type("string")
}

pub(crate) fn truth() -> Object {
    of_type("boolean")
}

pub(crate) fn texts() -> Object {
    list(text())
}

pub(crate) fn path() -> Object {
    reference("path")
}

pub(crate) fn condition() -> Object {
    reference("condition")
}

pub(crate) fn function() -> Object {
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
