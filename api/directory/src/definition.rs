//! The OperationDefinition of `PractitionerRole/$find` (FHIR R4B).

use hub_fhir::{Id, Object, Resource, ResourceError, ResourceType, tree};

const ID: &str = "PractitionerRole-find";

/// Name, type, whether it may be there once at most, what it is.
const TAKES: [(&str, &str, &str); 6] = [
    (
        "text",
        "string",
        "What somebody has typed: a name, a disease, a department or a hospital, in Chinese, English, pinyin or \
        initials. All words must be found",
    ),
    (
        "department",
        "string",
        "Only doctors of this department or of one below it: its id, its number in the HIS, or its name",
    ),
    ("hospital", "string", "Only doctors of this hospital: its id, its number, or its name"),
    (
        "language",
        "code",
        "The language in which texts are told beside the resources; else the one of Accept-Language",
    ),
    ("_count", "integer", "So many at most: 20 unless told, 100 at most"),
    ("_offset", "integer", "So many are left out at the beginning"),
];

/// The canonical address of the definition.
pub fn definition_url() -> String {
    format!("urn:impf:operation:{ID}")
}

/// What `PractitionerRole/$find` takes and gives.
///
/// # Errors
/// Never, unless the id in this file is wrong.
pub fn definition() -> Result<Resource, ResourceError> {
    let parameter = |(name, kind, about): (&str, &str, &str)| {
        tree! {
            "name" => name,
            "use" => "in",
            "min" => 0_i64,
            "max" => "1",
            "documentation" => about,
            "type" => kind,
        }
    };
    let mut parameters: Vec<Object> = TAKES.into_iter().map(parameter).collect();
    parameters.push(tree! {
        "name" => "return",
        "use" => "out",
        "min" => 1_i64,
        "max" => "1",
        "documentation" => "A searchset of PractitionerRole, best first, with their Practitioner and Organization; each entry \
            tells whether a visit can be booked and when the next slot is free",
        "type" => "Bundle",
    });
    let tree = tree! {
        "url" => definition_url(),
        "name" => "PractitionerRoleFind",
        "status" => "active",
        "kind" => "operation",
        "description" => "Finds doctors while somebody types. Answered without a token too, with what is public",
        "affectsState" => false,
        "code" => "find",
        "resource" => ["PractitionerRole"],
        "system" => false,
        "type" => true,
        "instance" => false,
        "parameter" => parameters,
    };
    let kind = ResourceType::from_name("OperationDefinition").ok_or(ResourceError::UnknownType)?;
    Ok(Resource::new(kind, Id::new(ID)?, tree))
}

/// The names of the parameters.
pub fn parameters() -> impl Iterator<Item = &'static str> {
    TAKES.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_valid() {
        assert_eq!(hub_fhir::validate(super::definition().unwrap().tree()), []);
    }
}
