//! What senders call coding systems and assigning authorities, as URIs.

use compact_str::{CompactString, format_compact};

use super::Context;
use crate::read::Value;

/// HL7 table 0396 names and the URIs that FHIR and HL7 terminology give them.
const CODING_SYSTEMS: &[(&str, &str)] = &[
    ("ATC", "http://www.whocc.no/atc"),
    ("C4", "http://www.ama-assn.org/go/cpt"),
    ("CAS", "http://terminology.hl7.org/CodeSystem/CAS"),
    ("CPT", "http://www.ama-assn.org/go/cpt"),
    ("CVX", "http://hl7.org/fhir/sid/cvx"),
    ("DCM", "http://dicom.nema.org/resources/ontology/DCM"),
    ("HCPCS", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"),
    ("I10", "http://hl7.org/fhir/sid/icd-10"),
    ("I10C", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("I10P", "http://www.cms.gov/Medicare/Coding/ICD10"),
    ("I9", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9C", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9CDX", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("I9CP", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("ICD10", "http://hl7.org/fhir/sid/icd-10"),
    ("ICD10CM", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("ISO3166_1", "urn:iso:std:iso:3166"),
    ("LN", "http://loinc.org"),
    ("LOINC", "http://loinc.org"),
    ("MVX", "http://hl7.org/fhir/sid/mvx"),
    ("NDC", "http://hl7.org/fhir/sid/ndc"),
    ("RXNORM", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("SCT", "http://snomed.info/sct"),
    ("SNM", "http://snomed.info/sct"),
    ("SNOMED-CT", "http://snomed.info/sct"),
    ("UCUM", "http://unitsofmeasure.org"),
];

/// UCUM, the system of units.
pub(super) const UCUM: &str = "http://unitsofmeasure.org";
/// HL7 table 0203: what an identifier is.
pub(super) const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

/// The URI of a coding system by the sender's name of it. In this order: the mapping's `[systems]`; a URI, an OID; HL7
/// table 0396; `HL7nnnn`; for a local one (`L`, `99...`) and for none the line's `system`; `urn:id:NAME`.
pub(super) fn coding_system(name: Option<&str>, context: &Context<'_>) -> Option<CompactString> {
    let Some(name) = name else { return context.system.map(Into::into) };
    if let Some(known) = context.systems.get(name) {
        return Some(known.clone());
    }
    if let Ok(found) = CODING_SYSTEMS.binary_search_by(|(known, _)| known.cmp(&name)) {
        return Some(CompactString::const_new(CODING_SYSTEMS[found].1));
    }
    if let Some(uri) = as_uri(name) {
        return Some(uri);
    }
    if let Some(table) = hl7_table(name) {
        return Some(format_compact!("http://terminology.hl7.org/CodeSystem/v2-{table}"));
    }
    let local = name == "L" || name.starts_with("99");
    if local && let Some(system) = context.system {
        return Some(system.into());
    }
    if name == "L" { None } else { Some(urn(name)) }
}

/// The name HL7 v2 has for a coding system: the inverse of [`coding_system`].
pub(super) fn coding_system_name(uri: &str, context: &Context<'_>) -> CompactString {
    let of_mapping = context.systems.iter().filter(|(_, system)| *system == uri).map(|(name, _)| name).min();
    if let Some(name) = of_mapping {
        return name.clone();
    }
    // Of several names for one system the first in the table is not always the usual one.
    let usual = match uri {
        "http://hl7.org/fhir/sid/icd-9-cm" => Some("I9C"),
        "http://www.ama-assn.org/go/cpt" => Some("C4"),
        "http://snomed.info/sct" => Some("SCT"),
        "http://loinc.org" => Some("LN"),
        _ => CODING_SYSTEMS.iter().find(|(_, system)| *system == uri).map(|(name, _)| *name),
    };
    if let Some(name) = usual {
        return CompactString::const_new(name);
    }
    if let Some(table) = uri.strip_prefix("http://terminology.hl7.org/CodeSystem/v2-") {
        return format_compact!("HL7{table}");
    }
    uri.strip_prefix("urn:id:").or_else(|| uri.strip_prefix("urn:oid:")).unwrap_or(uri).into()
}

/// `HL70001`, `HL7-0001`
fn hl7_table(name: &str) -> Option<&str> {
    let digits = name.strip_prefix("HL7")?;
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// A name that is a URI already, or an OID.
fn as_uri(name: &str) -> Option<CompactString> {
    let schemes = ["http://", "https://", "urn:"];
    if schemes.iter().any(|scheme| name.starts_with(scheme)) && !name.contains(char::is_whitespace) {
        return Some(name.into());
    }
    is_oid(name).then(|| format_compact!("urn:oid:{name}"))
}

fn is_oid(text: &str) -> bool {
    let mut arcs = text.split('.');
    let first = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let mut more = 0;
    first
        && arcs.all(|arc| {
            more += 1;
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit())
        })
        && more > 1
}

/// `urn:uuid:` and a UUID in lower case; `None` for what is none.
fn as_uuid(text: &str) -> Option<CompactString> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.strip_prefix("urn:uuid:").unwrap_or(&lower);
    let is_uuid = digits.len() == 36 && uuid::Uuid::try_parse(digits).is_ok();
    is_uuid.then(|| format_compact!("urn:uuid:{digits}"))
}

/// The URI of an OID or UUID, as HL7 V3 identifies systems; of another text only where it is a URI itself.
pub(super) fn root_uri(root: &str) -> Option<CompactString> {
    as_uuid(root).or_else(|| as_uri(root))
}

/// `urn:id:NAME`: a name that is only the sender's. What a URI must not hold is percent-encoded.
pub(super) fn urn(name: &str) -> CompactString {
    let mut urn = CompactString::const_new("urn:id:");
    for letter in name.chars() {
        let plain = letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_' | ':' | '/' | '+');
        if plain {
            urn.push(letter);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            urn.push_str(&format_compact!("%{byte:02X}"));
        }
    }
    urn
}

/// An assigning authority (HD: namespace, universal id, type of the universal id).
pub(super) struct Authority<'a> {
    pub(super) system: Option<CompactString>,
    /// The namespace, where it says more than the system.
    pub(super) name: Option<Value<'a>>,
}

/// Reads an authority whose three parts stand at `first` and after it.
pub(super) fn authority<'a>(hd: Option<Value<'a>>, first: u16, context: &Context<'_>) -> Authority<'a> {
    let part = |index: u16| hd.and_then(|hd| hd.part(first + index));
    let namespace = part(0).filter(|namespace| namespace.text().is_some());
    let named = namespace.and_then(|namespace| namespace.text());
    let known = named.as_deref().and_then(|name| context.systems.get(name).cloned());
    let system = known
        .or_else(|| universal(part(1)?.text()?.as_ref(), part(2).and_then(|kind| kind.text()).as_deref()))
        .or_else(|| context.system.map(Into::into))
        .or_else(|| named.as_deref().map(|name| as_uri(name).unwrap_or_else(|| urn(name))));
    Authority { system, name: namespace }
}

fn universal(id: &str, kind: Option<&str>) -> Option<CompactString> {
    Some(match kind {
        Some("ISO") => format_compact!("urn:oid:{}", id.strip_prefix("urn:oid:").unwrap_or(id)),
        Some("UUID" | "GUID") => as_uuid(id).unwrap_or_else(|| urn(id)),
        Some("DNS") => format_compact!("dns:{id}"),
        Some("URI" | "HTTP") if !id.contains(char::is_whitespace) => id.into(),
        _ => as_uri(id).unwrap_or_else(|| urn(id)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(CODING_SYSTEMS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn a_local_name_becomes_a_urn_without_forbidden_characters() {
        assert_eq!(urn("LIS"), "urn:id:LIS");
        assert_eq!(urn("my lab|1"), "urn:id:my%20lab%7C1");
        assert_eq!(urn("检验"), "urn:id:检验");
    }

    #[test]
    fn an_oid_is_seen_as_one() {
        assert!(is_oid("2.16.840.1.113883") && is_oid("1.2.3"));
        assert!(!is_oid("1.2") && !is_oid("3.1.2") && !is_oid("1..2") && !is_oid("LIS"));
    }

    #[test]
    fn a_uuid_is_seen_as_one_and_nothing_else_is() {
        let uuid = "6BA7B810-9DAD-11D1-80B4-00C04FD430C8";
        assert_eq!(root_uri(uuid).unwrap(), "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        assert_eq!(root_uri("2.16.156.10011").unwrap(), "urn:oid:2.16.156.10011");
        assert_eq!(root_uri("http://his.example/ids").unwrap(), "http://his.example/ids");
        assert_eq!((root_uri("HIS"), root_uri("6ba7b8109dad11d180b400c04fd430c8")), (None, None));
        assert_eq!(universal(uuid, Some("GUID")), root_uri(uuid));
        assert_eq!(universal("HIS-1", Some("GUID")).unwrap(), "urn:id:HIS-1");
    }
}
