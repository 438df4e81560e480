//! A FHIR resource: its type, its id and its tree; and what points at one.

use std::fmt;

use compact_str::CompactString;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::json::{Json, Object};
use crate::types::ResourceType;

/// A logical id: 1 to 64 characters of `A-Z a-z 0-9 - .` (R4B §2.24.0.1, type `id`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(CompactString);

impl Id {
    /// Checks the form of an id.
    pub fn new(text: &str) -> Result<Self, ResourceError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        if fits { Ok(Self(text.into())) } else { Err(ResourceError::Id) }
    }

    /// The id that these parts make: the same each time, another one for other parts. A UUID (version 8) of the first 128 bits of the
    /// SHA-256 of all parts with their lengths.
    pub fn of_parts<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        let mut buffer = uuid::Uuid::encode_buffer();
        let text = uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().encode_lower(&mut buffer);
        Self((&*text).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A literal reference to a resource of this server: `Patient/123`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The type of what is pointed at.
    pub kind: ResourceType,
    /// Its logical id.
    pub id: Id,
}

impl Reference {
    /// Reads `Type/id`.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let (kind, id) = text.split_once('/').ok_or(ResourceError::Reference)?;
        let kind = ResourceType::from_name(kind).ok_or(ResourceError::Reference)?;
        Ok(Self { kind, id: Id::new(id)? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.id)
    }
}

/// A resource whose type and id are known. The tree is always an object and agrees with both.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    kind: ResourceType,
    id: Id,
    tree: Object,
}

impl Resource {
    /// Makes a resource of `tree`, whose `resourceType` and `id` are set (first, in this order).
    pub fn new(kind: ResourceType, id: Id, tree: Object) -> Self {
        let mut whole = Object::with_capacity(tree.len() + 2);
        whole.set("resourceType", kind.name());
        whole.set("id", id.as_str());
        for (name, value) in tree {
            if name != "resourceType" && name != "id" {
                whole.push(name, value);
            }
        }
        Self { kind, id, tree: whole }
    }

    /// Reads a resource of a tree that carries its type and id.
    pub fn from_tree(tree: Json) -> Result<Self, ResourceError> {
        let Json::Object(tree) = tree else { return Err(ResourceError::NotAnObject) };
        let kind = tree.get("resourceType").and_then(Json::as_str).ok_or(ResourceError::NoType)?;
        let kind = ResourceType::from_name(kind).ok_or(ResourceError::UnknownType)?;
        let id = Id::new(tree.get("id").and_then(Json::as_str).ok_or(ResourceError::Id)?)?;
        Ok(Self::new(kind, id, tree))
    }

    /// Its type.
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// Its logical id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// What points at it.
    pub fn reference(&self) -> Reference {
        Reference { kind: self.kind, id: self.id.clone() }
    }

    /// Its elements.
    pub fn tree(&self) -> &Object {
        &self.tree
    }

    /// Its elements, taken out.
    pub fn into_tree(self) -> Object {
        self.tree
    }
}

impl fmt::Debug for Resource {
    /// Type and id only: content may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({}/{})", self.kind.name(), self.id)
    }
}

/// Why something is not a resource or not a reference to one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum ResourceError {
    #[error("a resource must be a JSON object")]
    NotAnObject,
    #[error("`resourceType` is missing")]
    NoType,
    #[error("`resourceType` is not a resource of FHIR R4B")]
    UnknownType,
    #[error("`id` must be 1 to 64 characters of A-Z, a-z, 0-9, `-` and `.`")]
    Id,
    #[error("expected a reference of the form `Type/id`")]
    Reference,
}
