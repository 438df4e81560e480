//! The elements that workflows read and write, by the names of the systems they use.

use hub_fhir::{Json, Object, Reference, ResourceType, tree};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::offset;

/// The systems of codes and numbers of the platform's own.
pub mod system {
    /// What a task is about: `hold`, `slot-lock`.
    pub const ACT: &str = "urn:impf:cs:act";
    /// What goes into a task and what comes out of it.
    pub const VALUE: &str = "urn:impf:cs:value";
    /// The number of a task.
    pub const TASK: &str = "urn:impf:task";
    /// The state of a business process, finer than FHIR's own: `HELD`.
    pub const STATE: &str = "urn:impf:cs:state";
    /// Why something was refused: the codes of `refused.tsv`, and a partner's.
    pub const REFUSED: &str = "urn:impf:cs:refused";
    /// The kind of clinic: `ordinary`, `international`, `vip`, `online` (interfaces §3.10).
    pub const CLINIC: &str = "urn:impf:cs:clinic-type";
    /// A patient's number in the HIS.
    pub const HIS_PATIENT: &str = "urn:impf:his:patient";
    /// A roster's number in the HIS.
    pub const HIS_SCHEDULE: &str = "urn:impf:his:schedule";
    /// A slot's number in the HIS.
    pub const HIS_SLOT: &str = "urn:impf:his:slot";
    /// A member of staff's number in the HIS (工号).
    pub const HIS_STAFF: &str = "urn:impf:his:staff";
    /// A department's code in the HIS.
    pub const HIS_DEPARTMENT: &str = "urn:impf:his:department";
    /// A room's code in the HIS.
    pub const HIS_ROOM: &str = "urn:impf:his:room";
    /// A lock of a slot.
    pub const HIS_LOCK: &str = "urn:impf:his:lock";
    /// A registration (挂号流水).
    pub const HIS_REGISTRATION: &str = "urn:impf:his:registration";
    /// A visit (就诊号).
    pub const HIS_VISIT: &str = "urn:impf:his:visit";
    /// An order of ours at the bank.
    pub const ORDER: &str = "urn:impf:bank:order";
    /// A refund of ours at the bank.
    pub const REFUND: &str = "urn:impf:bank:refund";
    /// The bank's own number of a payment.
    pub const BANK_TRADE: &str = "urn:impf:bank:trade";
    /// Titles of doctors (GB/T 8561): `231`, `232`.
    pub const TITLE: &str = "urn:impf:cs:title";
}

/// The extensions of the platform's own.
pub mod extension {
    /// When a hold is over.
    pub const HOLD_EXPIRES: &str = "urn:impf:ext:hold-expires";
    /// The fees of a roster: `Money`, with the kind of fee within.
    pub const FEE: &str = "urn:impf:ext:fee";
    /// Whether a roster was made by our own staff.
    pub const TEMPORARY: &str = "urn:impf:ext:temporary";
}

/// A CodeableConcept of one code.
pub fn concept(system: &str, code: &str) -> Object {
    tree! { "coding" => [tree! { "system" => system, "code" => code }] }
}

/// An Identifier.
pub fn identifier(system: &str, value: &str) -> Object {
    tree! { "system" => system, "value" => value }
}

/// The value of the first identifier of this system.
pub fn number<'a>(tree: &'a Object, system: &str) -> Option<&'a str> {
    let all = tree.get("identifier").map(Json::items).unwrap_or_default();
    let found = all.iter().find(|one| one.get("system").and_then(Json::as_str) == Some(system))?;
    found.get("value")?.as_str()
}

/// Sets the identifier of this system, in its place or at the end.
pub fn set_number(tree: &mut Object, system: &str, value: &str) {
    let mut all = tree.get("identifier").map(Json::items).unwrap_or_default().to_vec();
    all.retain(|one| one.get("system").and_then(Json::as_str) != Some(system));
    all.push(Json::Object(identifier(system, value)));
    tree.set("identifier", all);
}

/// The code of a system in a CodeableConcept, or in one of several.
pub fn code<'a>(concept: Option<&'a Json>, system: &str) -> Option<&'a str> {
    let codings = concept?.items().iter().filter_map(|one| one.get("coding")).flat_map(Json::items);
    let found = codings.into_iter().find(|one| one.get("system").and_then(Json::as_str) == Some(system))?;
    found.get("code")?.as_str()
}

/// What an element with a `reference` points at.
pub fn points_at(element: Option<&Json>) -> Option<Reference> {
    Reference::parse(element?.get("reference")?.as_str()?).ok()
}

/// All the references in a list of elements, seen through the member `within`, of one type.
pub fn pointed_at(tree: &Object, list: &str, within: &str, kind: &str) -> Vec<Reference> {
    let all = tree.get(list).map(Json::items).unwrap_or_default().iter();
    let found = all.filter_map(|one| points_at(one.get(within)));
    found.filter(|found| found.kind.name() == kind).collect()
}

/// The state of a business process that a resource carries as a tag.
pub fn state(tree: &Object) -> Option<&str> {
    let tags = tree.get("meta")?.get("tag")?.items();
    let tag = tags.iter().find(|tag| tag.get("system").and_then(Json::as_str) == Some(system::STATE))?;
    tag.get("code")?.as_str()
}

/// Sets it.
pub fn set_state(tree: &mut Object, state: &str) {
    let mut meta = tree.get("meta").and_then(Json::as_object).cloned().unwrap_or_default();
    let mut tags = meta.get("tag").map(Json::items).unwrap_or_default().to_vec();
    tags.retain(|tag| tag.get("system").and_then(Json::as_str) != Some(system::STATE));
    tags.push(Json::Object(tree! { "system" => system::STATE, "code" => state }));
    meta.set("tag", tags);
    tree.set("meta", meta);
}

/// The extension of this address.
pub fn extension<'a>(tree: &'a Object, url: &str) -> Option<&'a Json> {
    let all = tree.get("extension")?.items();
    all.iter().find(|one| one.get("url").and_then(Json::as_str) == Some(url))
}

/// Sets the extension of this address.
pub fn set_extension(tree: &mut Object, url: &str, value: (&str, Json)) {
    let mut all = tree.get("extension").map(Json::items).unwrap_or_default().to_vec();
    all.retain(|one| one.get("url").and_then(Json::as_str) != Some(url));
    let mut extension = tree! { "url" => url };
    extension.set(value.0, value.1);
    all.push(Json::Object(extension));
    tree.set("extension", all);
}

/// Takes the extensions of this address away.
pub fn remove_extension(tree: &mut Object, url: &str) {
    let kept = tree.get("extension").map(Json::items).unwrap_or_default().iter();
    let kept = kept.filter(|one| one.get("url").and_then(Json::as_str) != Some(url)).cloned();
    let kept: Vec<Json> = kept.collect();
    tree.put("extension", kept);
}

/// A moment as it is stored: in Beijing's time, as all the house's clocks are (interfaces §0.4).
pub fn instant(at: OffsetDateTime) -> String {
    let at = at.to_offset(offset!(+8)).replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_default()
}

/// A moment that is stored.
pub fn moment(text: Option<&str>) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text?, &Rfc3339).ok()
}

/// A value in a search, as it is meant: what has a meaning there is escaped (R4B §3.1.1.3.7).
pub fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, ',' | '|' | '$' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// A number of a system, as a search asks for it.
pub fn token(system: &str, value: &str) -> String {
    format!("{}|{}", escaped(system), escaped(value))
}

/// A reference to a type and id that are known to be right.
pub fn reference(kind: ResourceType, id: hub_fhir::Id) -> Reference {
    Reference { kind, id }
}
