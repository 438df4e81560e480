//! Values: elements of a resource by reference, values that were computed, and collections of both.

use std::borrow::Cow;
use std::fmt;

use hub_fhir::elements::{Element, TypeDef, type_of};
use hub_fhir::primitive::Primitive;
use hub_fhir::{Json, Object};
use rust_decimal::Decimal;

use crate::kind::{Kind, System};
use crate::number;
use crate::quantity::{Quantity, Unit};
use crate::temporal::Temporal;

/// One value.
#[derive(Clone)]
pub enum Item<'a> {
    /// An element of a resource, or a resource.
    Node(Node<'a>),
    /// `true`, `false`
    Boolean(bool),
    /// A whole number.
    Integer(i32),
    /// An exact number.
    Decimal(Decimal),
    /// A text.
    String(Cow<'a, str>),
    /// A date, a moment or a time of day.
    Temporal(Temporal),
    /// A number with a unit.
    Quantity(Box<Quantity>),
    /// What `type()` gives: a type.
    Type(Kind),
}

/// An element of a resource, or a resource.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) kind: Kind,
    /// The type it is an element of, and the element; `None` for a resource that stands alone.
    pub(crate) place: Option<(&'static TypeDef, &'static Element)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Object(&'a Object),
    /// A primitive: its value, and the id and extensions beside it. One of them is there.
    Primitive {
        value: Option<&'a Json>,
        beside: Option<&'a Object>,
    },
}

impl<'a> Node<'a> {
    /// A resource by its `resourceType`; one of no known type has the elements of `Resource`.
    pub fn resource(tree: &'a Object) -> Self {
        Self { content: Content::Object(tree), kind: resource_kind(tree), place: None }
    }

    /// The members of a resource or data type; `None` for a primitive.
    pub fn object(&self) -> Option<&'a Object> {
        match self.content {
            Content::Object(object) => Some(object),
            Content::Primitive { .. } => None,
        }
    }

    /// The value of a primitive, as it stands in the resource.
    pub fn json(&self) -> Option<&'a Json> {
        match self.content {
            Content::Object(_) => None,
            Content::Primitive { value, .. } => value,
        }
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it stands, as definitions say it: `Patient.birthDate`.
    pub fn element_path(&self) -> String {
        match self.place {
            Some((of, element)) => format!("{}.{}", of.name, element.name),
            None => self.kind.name().1.to_owned(),
        }
    }

    pub(crate) fn is_resource(&self) -> bool {
        matches!(self.kind, Kind::Complex(def) if def.class == hub_fhir::elements::Class::Resource)
    }

    /// The place in memory, by which two nodes are the same one.
    pub(crate) fn address(&self) -> *const u8 {
        match self.content {
            Content::Object(object) => std::ptr::from_ref(object).cast(),
            Content::Primitive { value: Some(value), .. } => std::ptr::from_ref(value).cast(),
            Content::Primitive { value: None, beside } => {
                beside.map_or(std::ptr::null(), |own| std::ptr::from_ref(own).cast())
            }
        }
    }
}

/// The type a resource says it has.
pub(crate) fn resource_kind(tree: &Object) -> Kind {
    let named = tree.get("resourceType").and_then(Json::as_str).and_then(type_of);
    let def = named.filter(|def| def.class == hub_fhir::elements::Class::Resource);
    Kind::Complex(def.unwrap_or_else(|| type_of("Resource").expect("`Resource` is in the table of types")))
}

impl<'a> Item<'a> {
    /// A text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        Kind::System(match self {
            Self::Node(node) => return node.kind,
            Self::Boolean(_) => System::Boolean,
            Self::Integer(_) => System::Integer,
            Self::Decimal(_) => System::Decimal,
            Self::String(_) => System::String,
            Self::Temporal(temporal) => temporal.sort.into(),
            Self::Quantity(_) => System::Quantity,
            Self::Type(_) => System::TypeInfo,
        })
    }

    /// The element it is.
    pub fn node(&self) -> Option<&Node<'a>> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The value of FHIRPath that an element stands for (R4B, FHIRPath, "Use of FHIR primitives"); what is none already
    /// stays as it is. `None`: a complex element, a primitive without a value or with one that is not of its form.
    pub fn system(&self) -> Option<Item<'a>> {
        match self {
            Self::Node(node) => node.system(),
            other => Some(other.clone()),
        }
    }

    /// The text of a string or of a primitive that is one.
    pub(crate) fn as_text(&self) -> Option<Cow<'a, str>> {
        match self.system()? {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Node<'a> {
    fn system(&self) -> Option<Item<'a>> {
        match (self.content, self.kind) {
            (Content::Primitive { value, .. }, Kind::Primitive(primitive)) => of_primitive(primitive, value?),
            (Content::Object(object), kind) if kind.is_quantity() => {
                Some(Item::Quantity(Box::new(quantity(object)?)))
            }
            _ => None,
        }
    }
}

fn of_primitive(primitive: Primitive, value: &Json) -> Option<Item<'_>> {
    Some(match (primitive, value) {
        (Primitive::Boolean, Json::Bool(value)) => Item::Boolean(*value),
        (Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt, Json::Number(digits)) => {
            Item::Integer(digits.parse().ok()?)
        }
        (Primitive::Decimal, Json::Number(digits)) => Item::Decimal(number::decimal(digits)?),
        (Primitive::Date, Json::String(text)) => Item::Temporal(Temporal::date(text)?),
        (Primitive::DateTime | Primitive::Instant, Json::String(text)) => {
            Item::Temporal(Temporal::date_time(text)?)
        }
        (Primitive::Time, Json::String(text)) => Item::Temporal(Temporal::time(text)?),
        (
            Primitive::Boolean
            | Primitive::Integer
            | Primitive::PositiveInt
            | Primitive::UnsignedInt
            | Primitive::Decimal,
            _,
        ) => return None,
        (_, Json::String(text)) => Item::String(Cow::Borrowed(text)),
        _ => return None,
    })
}

/// R4B, FHIRPath, "Use of FHIR Quantity": one with a comparator is no quantity of FHIRPath; the time units of UCUM are
/// those of the calendar. Wider than the standard: a unit that is not of UCUM is kept, and equal to itself only.
fn quantity(tree: &Object) -> Option<Quantity> {
    let text = |name| tree.get(name).and_then(Json::as_str);
    let Some(Json::Number(digits)) = tree.get("value") else { return None };
    if tree.get("comparator").is_some() {
        return None;
    }
    let value = number::decimal(digits)?;
    let unit = match (text("system"), text("code"), text("unit")) {
        (Some("http://unitsofmeasure.org"), Some(code), _) => {
            match crate::temporal::CalendarUnit::from_ucum(code) {
                Some(unit) => Unit::Calendar(unit),
                None => Unit::Ucum(code.into()),
            }
        }
        (None, None, None) => Unit::one(),
        (system, Some(code), _) => {
            Unit::Other(compact_str::format_compact!("{}|{code}", system.unwrap_or("")))
        }
        (_, None, unit) => Unit::Other(unit.unwrap_or("").into()),
    };
    Some(Quantity { value, unit })
}

impl From<crate::temporal::Sort> for System {
    fn from(sort: crate::temporal::Sort) -> Self {
        match sort {
            crate::temporal::Sort::Date => Self::Date,
            crate::temporal::Sort::DateTime => Self::DateTime,
            crate::temporal::Sort::Time => Self::Time,
        }
    }
}

impl fmt::Debug for Item<'_> {
    /// The type only: content may name a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({})", self.kind())
    }
}

/// A collection, in order. One value, the usual case, costs no allocation.
#[derive(Clone, Debug, Default)]
pub enum Items<'a> {
    /// `{}`
    #[default]
    None,
    /// One value.
    One(Item<'a>),
    /// More of them.
    Many(Vec<Item<'a>>),
}

impl<'a> Items<'a> {
    /// The values as a slice.
    pub fn as_slice(&self) -> &[Item<'a>] {
        match self {
            Self::None => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    /// The values one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Item<'a>> {
        self.as_slice().iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds a value at the end.
    pub fn push(&mut self, item: Item<'a>) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(item),
            Self::One(first) => Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                Self::Many(items)
            }
        };
    }
}

impl<'a> FromIterator<Item<'a>> for Items<'a> {
    fn from_iter<I: IntoIterator<Item = Item<'a>>>(items: I) -> Self {
        let mut made = Self::None;
        for item in items {
            made.push(item);
        }
        made
    }
}

impl<'a> IntoIterator for Items<'a> {
    type Item = Item<'a>;
    type IntoIter = ItemsIntoIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::None => ItemsIntoIter::Few(None),
            Self::One(item) => ItemsIntoIter::Few(Some(item)),
            Self::Many(items) => ItemsIntoIter::Many(items.into_iter()),
        }
    }
}

impl<'a> From<Item<'a>> for Items<'a> {
    fn from(item: Item<'a>) -> Self {
        Self::One(item)
    }
}

impl From<bool> for Items<'_> {
    fn from(value: bool) -> Self {
        Self::One(Item::Boolean(value))
    }
}

impl<'a> From<Option<Item<'a>>> for Items<'a> {
    fn from(item: Option<Item<'a>>) -> Self {
        item.map_or(Self::None, Self::One)
    }
}

/// The values of a collection, taken out.
#[derive(Debug)]
pub enum ItemsIntoIter<'a> {
    /// None or one.
    Few(Option<Item<'a>>),
    /// More.
    Many(std::vec::IntoIter<Item<'a>>),
}

impl<'a> Iterator for ItemsIntoIter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Self::Few(item) => item.take(),
            Self::Many(items) => items.next(),
        }
    }
}
