//! Types: those of the namespace `System` and those of R4B, and which derives from which.

use std::fmt;

use compact_str::CompactString;
use hub_fhir::elements::{TypeDef, TypeKind, TypeRef, type_of};
use hub_fhir::primitive::Primitive;

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A type of FHIRPath itself.
    System(System),
    /// A primitive of R4B.
    Primitive(Primitive),
    /// A resource, data type or backbone element of R4B.
    Complex(&'static TypeDef),
}

/// The types of FHIRPath itself (FHIRPath N1, "Literals" and "Reflection").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum System {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
    /// What `type()` gives.
    TypeInfo,
}

const SYSTEM: [(&str, System); 8] = [
    ("Boolean", System::Boolean),
    ("String", System::String),
    ("Integer", System::Integer),
    ("Decimal", System::Decimal),
    ("Date", System::Date),
    ("DateTime", System::DateTime),
    ("Time", System::Time),
    ("Quantity", System::Quantity),
];

/// Types that R4B derives from Quantity; their elements are its own.
const QUANTITIES: [&str; 6] = ["Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"];

/// A type as an expression names it: `Patient`, `FHIR.string`, `System.Integer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    /// `FHIR` or `System`, when it is said.
    pub(crate) space: Option<Space>,
    pub(crate) name: CompactString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Fhir,
    System,
}

impl TypeName {
    /// Checks that there is such a type; the error says what was expected.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.name.as_str();
        let in_system = SYSTEM.iter().any(|(known, _)| *known == name) || name == "Any";
        let in_fhir = fhir_type(name);
        let known = match self.space {
            Some(Space::System) => in_system,
            Some(Space::Fhir) => in_fhir,
            None => in_fhir || in_system,
        };
        if known { Ok(()) } else { Err(format!("there is no type `{name}`{}", self.nearest())) }
    }

    fn nearest(&self) -> String {
        let of_system = SYSTEM.iter().map(|(known, _)| *known).filter(|_| self.space != Some(Space::Fhir));
        let of_fhir = hub_fhir::elements::type_names().filter(|_| self.space != Some(Space::System));
        nearest(&self.name, of_fhir.chain(of_system))
    }
}

/// Whether R4B has a type of this name.
pub(crate) fn fhir_type(name: &str) -> bool {
    type_of(name).is_some() || Primitive::from_name(name).is_some() || QUANTITIES.contains(&name)
}

/// `; did you mean ..?`, or nothing where no known word is near.
pub(crate) fn nearest<'n>(word: &str, known: impl Iterator<Item = &'n str>) -> String {
    let near = known.map(|known| (strsim::damerau_levenshtein(word, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2 && distance < known.len() => {
            format!("; did you mean `{known}`?")
        }
        _ => String::new(),
    }
}

impl Kind {
    /// The namespace and name: `FHIR.string`.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::System(System::TypeInfo) => ("System", "TypeInfo"),
            Self::System(system) => {
                ("System", SYSTEM.iter().find(|(_, known)| *known == system).map_or("", |(name, _)| name))
            }
            Self::Primitive(primitive) => ("FHIR", primitive_name(primitive)),
            Self::Complex(def) => ("FHIR", def.name),
        }
    }

    /// Whether it is the named type or derives from it. A name without a namespace means both.
    pub(crate) fn is(self, named: &TypeName) -> bool {
        let name = named.name.as_str();
        match (self, named.space) {
            (Self::System(_), Some(Space::Fhir)) => false,
            (Self::System(_), _) => name == "Any" || self.name().1 == name,
            (_, Some(Space::System)) => name == "Any",
            (Self::Primitive(primitive), _) => primitive_is(primitive, name),
            (Self::Complex(def), _) => complex_is(def, name),
        }
    }

    /// Whether `as` and `ofType` take it: a primitive of R4B only by its own name, so that `as(uri)` leaves a canonical out,
    /// as R4B's search parameters mean it.
    pub(crate) fn is_as(self, named: &TypeName) -> bool {
        match self {
            Self::Primitive(primitive) => self.is(named) && named.name == primitive_name(primitive),
            _ => self.is(named),
        }
    }

    /// Whether it has a member of this name in JSON.
    pub(crate) fn has_member(self, name: &str) -> bool {
        matches!(self, Self::Complex(def) if def.member(name).is_some_and(|member| member.of.is_some()))
    }

    /// Quantity or a type derived from it.
    pub(crate) fn is_quantity(self) -> bool {
        matches!(self, Self::Complex(def) if complex_is(def, "Quantity"))
    }

    /// The type a table of elements names; `None` for any resource.
    pub(crate) fn of(of: &TypeRef) -> Option<Self> {
        match of.kind {
            TypeKind::Primitive(primitive) => Some(Self::Primitive(primitive)),
            TypeKind::Complex(id) => Some(Self::Complex(id.def())),
            TypeKind::AnyResource => None,
        }
    }

    /// Whether both are the same type.
    pub(crate) fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::System(one), Self::System(other)) => one == other,
            (Self::Primitive(one), Self::Primitive(other)) => one == other,
            (Self::Complex(one), Self::Complex(other)) => std::ptr::eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (space, name) = self.name();
        write!(f, "{space}.{name}")
    }
}

/// R4B, "Data Types": `code`, `id` and `markdown` are strings, and so on.
fn primitive_is(primitive: Primitive, name: &str) -> bool {
    let base = match primitive {
        Primitive::Code | Primitive::Id | Primitive::Markdown => "string",
        Primitive::Canonical | Primitive::Oid | Primitive::Url | Primitive::Uuid => "uri",
        Primitive::PositiveInt | Primitive::UnsignedInt => "integer",
        _ => "Element",
    };
    name == primitive_name(primitive) || name == base || name == "Element"
}

fn complex_is(def: &'static TypeDef, name: &str) -> bool {
    let mut of = Some(def);
    while let Some(known) = of {
        if known.name == name {
            return true;
        }
        // A type may not derive from itself; a table that says so must not make this endless.
        of = type_of(known.base).filter(|base| !std::ptr::eq(*base, known));
    }
    name == "Quantity" && QUANTITIES.contains(&def.name)
        || name == "BackboneElement" && def.class == hub_fhir::elements::Class::Backbone
}

/// The name of a primitive: `dateTime`.
pub(crate) fn primitive_name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Base64Binary => "base64Binary",
        Primitive::Boolean => "boolean",
        Primitive::Canonical => "canonical",
        Primitive::Code => "code",
        Primitive::Date => "date",
        Primitive::DateTime => "dateTime",
        Primitive::Decimal => "decimal",
        Primitive::Id => "id",
        Primitive::Instant => "instant",
        Primitive::Integer => "integer",
        Primitive::Markdown => "markdown",
        Primitive::Oid => "oid",
        Primitive::PositiveInt => "positiveInt",
        Primitive::String => "string",
        Primitive::Time => "time",
        Primitive::UnsignedInt => "unsignedInt",
        Primitive::Uri => "uri",
        Primitive::Url => "url",
        Primitive::Uuid => "uuid",
        Primitive::Xhtml => "xhtml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> TypeName {
        TypeName { space: None, name: name.into() }
    }

    #[test]
    fn a_type_is_what_it_derives_from() {
        let complex = |name| Kind::Complex(type_of(name).unwrap());
        assert!(complex("Patient").is(&named("DomainResource")) && complex("Patient").is(&named("Resource")));
        assert!(!complex("Bundle").is(&named("DomainResource")) && complex("Bundle").is(&named("Resource")));
        assert!(complex("Age").is(&named("Quantity")) && complex("Age").is_quantity());
        assert!(
            complex("Timing").is(&named("BackboneElement")) && complex("HumanName").is(&named("Element"))
        );
        assert!(Kind::Primitive(Primitive::Code).is(&named("string")));
        assert!(!Kind::Primitive(Primitive::String).is(&named("code")));
        let system_string = TypeName { space: Some(Space::System), name: "String".into() };
        assert!(Kind::System(System::String).is(&system_string));
        assert!(!Kind::Primitive(Primitive::String).is(&system_string));
    }

    #[test]
    fn an_unknown_type_is_refused_with_the_nearest() {
        assert_eq!(
            named("Pateint").check(),
            Err("there is no type `Pateint`; did you mean `Patient`?".to_owned())
        );
        assert!(TypeName { space: Some(Space::System), name: "Patient".into() }.check().is_err());
    }
}
