//! The links of a chain: where an event stands, and the digest of the one before.

use std::fmt;

use hub_fhir::{Json, Object, tree};
use sha2::{Digest as _, Sha256};

/// The extension of an AuditEvent that holds its place.
const PLACE: &str = "urn:impf:ext:audit-chain";

/// The digest of an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Link([u8; 32]);

impl Link {
    /// Of an event as it was written: what the store adds (`meta`) is not a part of it.
    pub fn of(event: &Object) -> Self {
        let mut event = event.clone();
        event.remove("meta");
        Self(Sha256::digest(Json::Object(event).to_text()).into())
    }

    fn read(text: &str) -> Option<Self> {
        let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..64).step_by(2).map(digit).collect::<Option<_>>()?;
        (text.len() == 64).then_some(())?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Where an event stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The chain.
    pub chain: String,
    /// From 1.
    pub number: u64,
    /// The event before; of the first of a chain the newest there was. `None`: there was none.
    pub before: Option<Link>,
}

impl Place {
    /// Writes it into an event.
    pub fn write(&self, event: &mut Object) {
        let part =
            |name: &str, value: String| -> Json { tree! { "url" => name, "valueString" => value }.into() };
        let mut parts = vec![part("chain", self.chain.clone()), part("number", self.number.to_string())];
        parts.extend(self.before.map(|before| part("before", before.to_string())));
        event.put("extension", vec![Json::from(tree! { "url" => PLACE, "extension" => parts })]);
    }

    /// Reads it from an event; `None`: it stands in no chain.
    pub fn read(event: &Object) -> Option<Self> {
        let extensions = event.get("extension").map(Json::items)?;
        let url = |extension: &Json| extension.get("url").and_then(Json::as_str).map(str::to_owned);
        let place = extensions.iter().find(|extension| url(extension).as_deref() == Some(PLACE))?;
        let part = |name: &str| {
            let parts = place.get("extension").map(Json::items)?.iter();
            let mut named = parts.filter(|part| url(part).as_deref() == Some(name));
            named.next()?.get("valueString")?.as_str()
        };
        let before = part("before").map(|text| Link::read(text).ok_or(())).transpose().ok()?;
        Some(Self { chain: part("chain")?.to_owned(), number: part("number")?.parse().ok()?, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_a_link_leaves_out_what_the_store_adds() {
        let mut event = tree! { "resourceType" => "AuditEvent", "action" => "R" };
        let first = Link::of(&event);
        let place = Place { chain: "c".to_owned(), number: 7, before: Some(first) };
        place.write(&mut event);
        assert!(Place::read(&event).as_ref() == Some(&place) && Link::of(&event) != first);
        let second = Link::of(&event);
        event.put("meta", tree! { "versionId" => "1" });
        assert!(Link::of(&event) == second);
        event.put("action", "D");
        assert!(Link::of(&event) != second);
        assert!(Link::read(&second.to_string()) == Some(second));
        for wrong in ["", "zz", &"é".repeat(32), &second.to_string()[1..]] {
            assert!(Link::read(wrong).is_none(), "{wrong}");
        }
        assert!(Place::read(&tree! { "resourceType" => "AuditEvent" }).is_none());
    }
}
