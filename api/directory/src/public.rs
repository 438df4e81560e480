//! What everybody may know of a doctor (DIR-4): no phone, no address, no day of birth, no number of an identity card or licence.
//!
//! What is public is named, so that what is added to a resource later is private until somebody decides otherwise.

use hub_fhir::{Json, Object, ResourceType};

use crate::system;

/// What of a type is public.
struct Public {
    kind: &'static str,
    elements: &'static [&'static str],
    /// The search parameters that look at nothing else.
    parameters: &'static [&'static str],
}

/// The types that have something private. Of `identifier`, `photo`, `qualification` and `extension` a part is public.
const TYPES: [Public; 2] = [
    Public {
        kind: "Practitioner",
        elements: &[
            "resourceType",
            "id",
            "meta",
            "language",
            "identifier",
            "active",
            "name",
            "gender",
            "photo",
            "qualification",
            "communication",
            "extension",
        ],
        parameters: &[
            "active",
            "name",
            "family",
            "given",
            "phonetic",
            "gender",
            "communication",
            "identifier",
        ],
    },
    Public {
        kind: "PractitionerRole",
        elements: &[
            "resourceType",
            "id",
            "meta",
            "language",
            "identifier",
            "active",
            "period",
            "practitioner",
            "organization",
            "code",
            "specialty",
            "location",
            "healthcareService",
            "availableTime",
            "notAvailable",
            "availabilityExceptions",
            "extension",
        ],
        parameters: &[
            "active",
            "date",
            "practitioner",
            "organization",
            "location",
            "service",
            "specialty",
            "role",
            "identifier",
        ],
    },
];

fn of(kind: ResourceType) -> Option<&'static Public> {
    TYPES.iter().find(|public| public.kind == kind.name())
}

/// Whether resources of a type have something that not everybody may know.
pub fn has_private(kind: ResourceType) -> bool {
    of(kind).is_some()
}

/// Whether a search parameter looks at nothing private: what may not be seen may not be asked for either.
pub fn is_searchable(kind: ResourceType, parameter: &str) -> bool {
    of(kind).is_none_or(|public| public.parameters.contains(&parameter))
}

/// Whether an identifier of this system is public.
pub fn is_public_system(system: &str) -> bool {
    system == system::STAFF
}

/// Leaves of a resource what everybody may know.
pub fn leave_public(kind: ResourceType, tree: &mut Object) {
    let Some(public) = of(kind) else { return };
    let members = std::mem::take(tree).into_iter();
    // What belongs to a primitive element stands beside it: `_name`.
    let is_public = |name: &str| public.elements.contains(&name.trim_start_matches('_'));
    for (name, value) in members.filter(|(name, _)| is_public(name)) {
        let value = match name.as_str() {
            "identifier" => keep(value, |one| text(one, "system").is_some_and(is_public_system)),
            // A picture may be one of an identity card: what is a portrait is called so.
            "photo" => keep(value, |one| text(one, "title") == Some("portrait")),
            "extension" => {
                keep(value, |one| text(one, "url").is_some_and(|url| url.starts_with("urn:impf:ext:")))
            }
            "qualification" => without_numbers(value),
            _ => value,
        };
        tree.put(&name, value);
    }
}

fn text<'t>(one: &'t Json, name: &str) -> Option<&'t str> {
    one.get(name).and_then(Json::as_str)
}

fn keep(list: Json, is_public: impl Fn(&Json) -> bool) -> Json {
    Json::Array(list.items().iter().filter(|one| is_public(one)).cloned().collect())
}

/// Qualifications without the numbers of their certificates.
fn without_numbers(list: Json) -> Json {
    let mut all = list.items().to_vec();
    for one in &mut all {
        if let Some(one) = one.as_object_mut() {
            one.remove("identifier");
        }
    }
    Json::Array(all)
}

#[cfg(test)]
mod tests {
    use hub_fhir::json::parse;
    use hub_fhir::params::params_of;

    use super::*;

    fn left(text: &str) -> String {
        let Json::Object(mut tree) = parse(text).unwrap() else { panic!("no object") };
        let kind = tree.get("resourceType").and_then(Json::as_str).and_then(ResourceType::from_name);
        leave_public(kind.unwrap(), &mut tree);
        Json::Object(tree).to_text()
    }

    #[test]
    fn dir_4_what_is_private_of_a_doctor_is_left_out() {
        let doctor = r#"{"resourceType":"Practitioner","id":"d","text":{"status":"generated","div":"x"},
            "contained":[{"resourceType":"Organization","id":"o"}],
            "identifier":[{"system":"urn:impf:his:staff","value":"D0007"},{"system":"urn:id","value":"440"}],
            "name":[{"text":"林知远"}],"telecom":[{"value":"1380013"}],"address":[{"text":"here"}],
            "birthDate":"1980-01-01","_birthDate":{"id":"b"},
            "photo":[{"url":"a","title":"portrait"},{"url":"b","title":"identity card"},{"url":"c"}],
            "qualification":[{"identifier":[{"value":"110"}],"code":{"text":"主任医师"}}],
            "extension":[{"url":"urn:impf:ext:online-service","valueBoolean":true},{"url":"urn:x","valueCode":"a"}]}"#;
        let expected = concat!(
            r#"{"resourceType":"Practitioner","id":"d","identifier":[{"system":"urn:impf:his:staff","value":"D0007"}],"#,
            r#""name":[{"text":"林知远"}],"photo":[{"url":"a","title":"portrait"}],"qualification":[{"code":{"text":"主任医师"}}],"#,
            r#""extension":[{"url":"urn:impf:ext:online-service","valueBoolean":true}]}"#,
        );
        assert_eq!(left(doctor), expected);
        let role = r#"{"resourceType":"PractitionerRole","id":"r","active":true,"telecom":[{"value":"1"}]}"#;
        assert_eq!(left(role), r#"{"resourceType":"PractitionerRole","id":"r","active":true}"#);
        let house = r#"{"resourceType":"Organization","id":"o","telecom":[{"value":"0755"}]}"#;
        assert_eq!(left(house), house, "the phone of a department is there to be called");
    }

    #[test]
    fn dir_4_what_is_private_cannot_be_searched_for() {
        for public in &TYPES {
            let kind = ResourceType::from_name(public.kind).unwrap();
            for name in public.parameters {
                assert!(params_of(kind).iter().any(|param| param.code == *name), "{}: {name}", public.kind);
            }
            for name in ["phone", "email", "telecom"] {
                assert!(params_of(kind).iter().any(|param| param.code == name) && !is_searchable(kind, name));
            }
        }
    }
}
