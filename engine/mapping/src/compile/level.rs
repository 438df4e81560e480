//! What stands at one level of the target: the elements of an R4B type, or members of our own choosing.

use compact_str::CompactString;
use hub_core::finding::{FindingKind, nearest};
use hub_fhir::codes::ValueSet;
use hub_fhir::elements::{Element, TypeDef, TypeRef, type_of};

use crate::reading::{Sheet, Word};

/// Where targets are looked up.
#[derive(Clone, Copy)]
pub(super) enum Level {
    /// The elements of a resource, a data type or a backbone element.
    Fhir(&'static TypeDef),
    /// Members of a partner's JSON, of our own choosing.
    Json,
    /// Elements (`Item`), attributes (`@code`) and text (`#text`) of a partner's XML.
    Xml,
    /// Columns of a record: single values.
    Csv,
    /// Fields of an HL7 v2 segment, components of a field, or subcomponents: so many levels of parts may stand within one.
    Hl7(u8),
}

/// One target element.
#[derive(Clone)]
pub(super) struct Slot {
    /// As it is written: `birthDate`, `value[x]`, `valueQuantity`.
    pub(super) name: CompactString,
    /// Types its value may have, with what points at them; empty for JSON.
    pub(super) types: Vec<&'static TypeRef>,
    /// `value[x]`: the type of the value picks the name.
    pub(super) choice: Option<&'static Element>,
    pub(super) many: bool,
    pub(super) binding: Option<&'static ValueSet>,
    /// What is set beside a primitive: `_birthDate`.
    pub(super) beside: bool,
}

impl Slot {
    /// For a partner's message: whether it is a list follows from its lines.
    pub(super) fn json(name: &str) -> Self {
        Self { name: name.into(), types: Vec::new(), choice: None, many: false, binding: None, beside: false }
    }

    /// The only type its value may have.
    pub(super) fn sole_type(&self) -> Option<&'static TypeRef> {
        match self.types.as_slice() {
            [only] if self.choice.is_none() => Some(only),
            _ => None,
        }
    }

    /// `Quantity`, or `Quantity, string or Range`.
    pub(super) fn type_names(&self) -> String {
        let names: Vec<_> = self.types.iter().map(|of| of.name).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() && rest.len() < 12 => {
                format!("{} or {last}", rest.join(", "))
            }
            Some((_, rest)) if !rest.is_empty() => "any data type".to_owned(),
            Some((last, _)) => (*last).to_owned(),
            None => String::new(),
        }
    }
}

impl Level {
    /// The element a target names; a finding when there is none.
    pub(super) fn slot(self, sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Slot> {
        let def = match self {
            Level::Fhir(def) => def,
            Level::Xml => return xml_slot(sheet, word),
            Level::Json | Level::Csv | Level::Hl7(_) => return Some(Slot::json(word.text)),
        };
        if let Some(primitive) = word.text.strip_prefix('_') {
            return beside(def, primitive, sheet, word);
        }
        let resource_id = def.class == hub_fhir::elements::Class::Resource && word.text == "id";
        if resource_id || word.text == "resourceType" {
            let message = format!("`{}` is not set by a line", word.text);
            let help = "the id is computed from `id = [..]`, the type is given by `type`".to_owned();
            sheet.find_help(FindingKind::UnknownElement, word.span.clone(), message, Some(help));
            return None;
        }
        let Some(member) = def.member(word.text) else {
            unknown(def, sheet, word);
            return None;
        };
        let element = member.element;
        Some(Slot {
            name: word.text.into(),
            types: match member.of {
                Some(of) => vec![of],
                None => element.types.iter().collect(),
            },
            choice: if member.of.is_none() { Some(element) } else { None },
            many: element.is_list(),
            binding: element.binding,
            beside: false,
        })
    }

    /// Required elements that no target sets.
    pub(super) fn missing(self, set: &[CompactString]) -> Vec<&'static Element> {
        let Level::Fhir(def) = self else { return Vec::new() };
        let is_set = |element: &Element| {
            set.iter().any(|name| {
                name == element.name
                    || element.concrete.contains(name)
                    || name.strip_prefix('_').is_some_and(|beside| beside == element.name)
            })
        };
        def.elements.iter().filter(|element| element.min > 0 && !is_set(element)).collect()
    }
}

/// A name in XML: of an element, with a prefix or without, `@` before that of an attribute, or what the writer knows by `#`.
fn xml_slot(sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Slot> {
    const SPECIAL: [&str; 3] = ["#text", "#cdata", "#document"];
    let is_name = |name: &str| {
        let mut letters = name.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
    };
    let name = word.text.strip_prefix('@').unwrap_or(word.text);
    let is_right = SPECIAL.contains(&word.text) || name.splitn(2, ':').all(is_name);
    if !is_right {
        let message = format!("`{}` is no name of an XML element or attribute", word.text);
        let help = "an element is written `Item` or `soap:Body`, an attribute `@code`, the text beside attributes `#text`";
        sheet.find_help(FindingKind::UnknownElement, word.span.clone(), message, Some(help.to_owned()));
        return None;
    }
    Some(Slot::json(word.text))
}

/// `_birthDate`: the extensions of a primitive.
fn beside(def: &'static TypeDef, name: &str, sheet: &Sheet<'_>, word: &Word<'_>) -> Option<Slot> {
    let member = def.member(name);
    let primitive = member.and_then(|member| member.of).and_then(TypeRef::primitive);
    let element = member.map(|member| member.element);
    match (primitive, element) {
        (Some(_), Some(element)) if !element.is_list() => Some(Slot {
            name: word.text.into(),
            types: Vec::new(),
            choice: None,
            many: false,
            binding: None,
            beside: true,
        }),
        _ => {
            let message =
                format!("`{}`: only a primitive that is no list has extensions beside it", word.text);
            sheet.find(FindingKind::UnknownElement, word.span.clone(), message);
            None
        }
    }
}

/// The elements every primitive may have beside its value.
pub(super) fn beside_primitive() -> Option<&'static TypeDef> {
    type_of("Element")
}

fn unknown(def: &'static TypeDef, sheet: &Sheet<'_>, word: &Word<'_>) {
    let message = format!("`{}` has no element `{}` in R4B", def.name, word.text);
    let as_choice = format!("{}[x]", word.text);
    let help = if def.names().any(|name| name == as_choice) {
        Some(format!("write `\"{as_choice}\"`, or the concrete name of one type"))
    } else {
        nearest(word.text, def.names()).map(|right| format!("did you mean `{right}`?")).or_else(|| {
            let own: Vec<_> = def.elements.iter().map(|element| element.name).collect();
            Some(format!("known here: {}", own.join(", ")))
        })
    };
    sheet.find_help(FindingKind::UnknownElement, word.span.clone(), message, help);
}
