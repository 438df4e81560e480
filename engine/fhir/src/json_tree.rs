//! Trees written down in code.

use crate::json::{Json, Object};
use crate::resource::Reference;

/// An [`Object`] of members, in their order. What is null, an empty list or `None` is left out, as FHIR has no empty elements
/// (R4B §2.24.0.1).
///
/// ```
/// let coding = hub_fhir::tree! { "system" => "urn:x", "code" => Some("a"), "display" => None::<&str> };
/// assert_eq!(hub_fhir::Json::Object(coding).to_text(), r#"{"system":"urn:x","code":"a"}"#);
/// ```
#[macro_export]
macro_rules! tree {
    ($($name:expr => $value:expr),* $(,)?) => {
        $crate::Object::of([$(($name, $crate::Json::from($value))),*])
    };
}

impl Object {
    /// An object of members; those that are null or an empty list are left out.
    pub fn of<const N: usize>(members: [(&str, Json); N]) -> Self {
        let mut object = Self::with_capacity(N);
        for (name, value) in members {
            object.put(name, value);
        }
        object
    }

    /// Sets a member, or takes it out where its value is null or an empty list.
    pub fn put(&mut self, name: &str, value: impl Into<Json>) {
        match value.into() {
            Json::Null => {
                self.remove(name);
            }
            Json::Array(items) if items.is_empty() => {
                self.remove(name);
            }
            value => self.set(name, value),
        }
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Json::Null, Into::into)
    }
}

impl From<Vec<Object>> for Json {
    fn from(items: Vec<Object>) -> Self {
        Json::Array(items.into_iter().map(Json::Object).collect())
    }
}

impl<T: Into<Json>, const N: usize> From<[T; N]> for Json {
    fn from(items: [T; N]) -> Self {
        Json::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<&Reference> for Json {
    /// The element that points at it.
    fn from(reference: &Reference) -> Self {
        Json::Object(crate::tree! { "reference" => reference.to_string() })
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        Json::string(text)
    }
}
