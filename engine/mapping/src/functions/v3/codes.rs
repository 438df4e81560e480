//! CD, CE, CV and CS: coded values (HL7 V3 data types §2.5).

use compact_str::CompactString;
use hub_fhir::Json;

use super::super::build::{Build, text};
use super::super::{Context, Misfit, Outcome, coded};
use super::identifiers::system;
use crate::read::Value;

/// OIDs of coding systems and the URIs that FHIR and HL7 terminology give them.
const SYSTEMS: &[(&str, &str)] = &[
    ("2.16.840.1.113883.12.292", "http://hl7.org/fhir/sid/cvx"),
    ("2.16.840.1.113883.5.1", "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"),
    ("2.16.840.1.113883.5.1008", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    ("2.16.840.1.113883.5.111", "http://terminology.hl7.org/CodeSystem/v3-RoleCode"),
    ("2.16.840.1.113883.5.112", "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"),
    ("2.16.840.1.113883.5.2", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"),
    ("2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("2.16.840.1.113883.5.8", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    ("2.16.840.1.113883.5.83", "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"),
    ("2.16.840.1.113883.6.1", "http://loinc.org"),
    ("2.16.840.1.113883.6.103", "http://hl7.org/fhir/sid/icd-9-cm"),
    ("2.16.840.1.113883.6.12", "http://www.ama-assn.org/go/cpt"),
    ("2.16.840.1.113883.6.3", "http://hl7.org/fhir/sid/icd-10"),
    ("2.16.840.1.113883.6.69", "http://hl7.org/fhir/sid/ndc"),
    ("2.16.840.1.113883.6.8", "http://unitsofmeasure.org"),
    ("2.16.840.1.113883.6.88", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("2.16.840.1.113883.6.90", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
];

/// The coding, its translations and the original text.
pub(in crate::functions) fn cd(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let mut codings = Vec::new();
    codings.extend(one(value, context)?);
    for translation in value.children("translation") {
        codings.extend(one(translation, context)?);
    }
    let mut built = Build::with_capacity(2);
    let without_code = codings.is_empty();
    built.list("coding", codings);
    let original = text(value.child("originalText"))?;
    let original = match original {
        None if without_code => text(value.child("@displayName"))?,
        original => original,
    };
    built.put_some("text", original);
    built.finish()
}

pub(in crate::functions) fn coding(value: Value<'_>, context: &Context<'_>) -> Outcome {
    one(value, context)
}

pub(in crate::functions) fn cd_code(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match value.child("@code") {
        Some(code) => coded::code(code, context),
        None => Ok(None),
    }
}

fn one(value: Value<'_>, context: &Context<'_>) -> Result<Option<Json>, Misfit> {
    let Some(code) = value.child("@code").and_then(coded::as_code) else { return Ok(None) };
    let oid = value.child_text("@codeSystem");
    let uri = oid.map(|oid| {
        let known = SYSTEMS.binary_search_by(|(known, _)| (*known).cmp(oid.as_ref())).ok();
        match known.filter(|_| !context.systems.contains_key(oid.as_ref())) {
            Some(place) => CompactString::const_new(SYSTEMS[place].1),
            None => system(&oid, context),
        }
    });
    let mut built = Build::with_capacity(4);
    built.put_some("system", uri.or_else(|| context.system.map(Into::into)).map(Json::String));
    built.text("version", value.child("@codeSystemVersion"))?;
    built.put("code", Json::String(code));
    built.text("display", value.child("@displayName"))?;
    built.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted() {
        assert!(super::SYSTEMS.is_sorted_by_key(|(oid, _)| *oid));
    }
}
