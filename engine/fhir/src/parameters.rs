//! The search parameters in force: those of R4B, and the server's own.
//!
//! A value that does not change: whoever reads a search, indexes a resource or writes the CapabilityStatement takes one and keeps to it.

use std::collections::HashMap;
use std::sync::LazyLock;

use compact_str::CompactString;

use crate::composite;
use crate::definition::{Definition, alternatives};
use crate::described;
use crate::index_rows::Made;
use crate::language::{Finder, Language};
use crate::own::{Facts, intern};
use crate::params::{self, Indexed, Param, ParamKind, params_of, supported};
use crate::types::ResourceType;

/// A set of search parameters.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    own: HashMap<ResourceType, Own>,
}

#[derive(Clone, Debug, Default)]
struct Own {
    params: Vec<&'static Param>,
    indexed: Vec<Indexed>,
    composites: Vec<Made>,
}

/// What keeps a definition from being in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The element of the definition that is wrong: `expression`.
    pub element: &'static str,
    /// What is wrong and what was expected.
    pub what: String,
}

impl Parameters {
    /// Those of R4B alone.
    pub fn of_r4b() -> &'static Self {
        static ALONE: LazyLock<Parameters> = LazyLock::new(Parameters::default);
        &ALONE
    }

    /// Of definitions, as many as go together: of two that clash the first is in force. The others come with the reason.
    pub fn of_definitions<'d>(
        definitions: impl IntoIterator<Item = &'d Definition>,
        language: Option<&dyn Language>,
    ) -> (Self, Vec<(&'d Definition, Clash)>) {
        let (mut parameters, mut refused) = (Self::default(), Vec::new());
        let (composites, plain): (Vec<_>, Vec<_>) =
            definitions.into_iter().partition(|definition| definition.kind == ParamKind::Composite);
        // A composite is made of what is known before it.
        for definition in plain.into_iter().chain(composites) {
            if let Err(clash) = parameters.add(definition, language) {
                refused.push((definition, clash));
            }
        }
        (parameters, refused)
    }

    /// Takes a definition in, for all of its types or for none.
    pub fn add(&mut self, definition: &Definition, language: Option<&dyn Language>) -> Result<(), Clash> {
        let wrong = |element, what: String| Clash { element, what };
        if described::is_url(&definition.url) {
            let what = "this is the URL of one of R4B's own definitions, which this server writes itself";
            return Err(wrong("url", what.to_owned()));
        }
        let mut added = Vec::with_capacity(definition.bases.len());
        for base in definition.bases.iter().copied() {
            if let Some(other) = self.find(base, &definition.code) {
                let what =
                    format!("`{base}` has a search parameter `{}` already: `{}`", other.code, other.url());
                return Err(wrong("code", what));
            }
            let expression = of_base(&definition.expression, base)
                .ok_or_else(|| wrong("expression", format!("no part of it is for `{base}`")))?;
            let mut components = Vec::with_capacity(definition.components.len());
            for url in &definition.components {
                components.push(self.component(base, url).map_err(|what| wrong("component", what))?);
            }
            let finder = match definition.kind {
                ParamKind::Composite => None,
                kind => {
                    let finder = Finder::compile(&expression, base, language);
                    let finder =
                        finder.map_err(|what| wrong("expression", format!("for `{base}`: {what}")))?;
                    fitting(kind, &finder).map_err(|what| wrong("expression", what))?;
                    Some(finder)
                }
            };
            let facts = Facts {
                base,
                code: &definition.code,
                kind: definition.kind,
                url: &definition.url,
                expression: &expression,
                targets: &definition.targets,
                components: &components,
            };
            added.push(intern(&facts, finder).map_err(|what| wrong("expression", what))?);
        }
        for param in added {
            let own = self.own.entry(param.base).or_default();
            own.params.push(param);
            own.params.sort_unstable_by_key(|param| param.code);
            own.indexed
                .extend(param.finder().filter(|_| param.kind != ParamKind::Composite).map(|f| (param, f)));
            own.composites.extend(composite::of(param).map(|composite| (param.id, composite)));
        }
        Ok(())
    }

    /// The same without what one definition brought.
    #[must_use]
    pub fn without(&self, url: &str) -> Self {
        let mut rest = self.clone();
        for own in rest.own.values_mut() {
            let is_of = |param: &Param| param.definition == url;
            own.composites.retain(|(id, _)| own.params.iter().any(|param| param.id == *id && !is_of(param)));
            own.indexed.retain(|(param, _)| !is_of(param));
            own.params.retain(|param| !is_of(param));
        }
        rest
    }

    /// Whether there are none but those of R4B.
    pub fn is_of_r4b_alone(&self) -> bool {
        self.own.values().all(|own| own.params.is_empty())
    }

    /// The parameter of this type and name.
    pub fn find(&self, kind: ResourceType, code: &str) -> Option<&'static Param> {
        params::find(kind, code).or_else(|| self.own(kind).iter().copied().find(|param| param.code == code))
    }

    /// All parameters of a type, R4B's first; without `_id` and `_lastUpdated`.
    pub fn of(&self, kind: ResourceType) -> impl Iterator<Item = &'static Param> {
        params_of(kind).iter().chain(self.own(kind).iter().copied())
    }

    /// The server's own of a type, by code.
    pub fn own(&self, kind: ResourceType) -> &[&'static Param] {
        self.own.get(&kind).map_or(&[], |own| &own.params)
    }

    /// The server's own that resources of a type are indexed by and that are no composites.
    pub(crate) fn indexed(&self, kind: ResourceType) -> &[Indexed] {
        self.own.get(&kind).map_or(&[], |own| &own.indexed)
    }

    /// The server's own composites of a type.
    pub(crate) fn composites(&self, kind: ResourceType) -> &[Made] {
        self.own.get(&kind).map_or(&[], |own| &own.composites)
    }

    /// What a composite's component means.
    fn component(&self, base: ResourceType, url: &str) -> Result<&'static Param, String> {
        let found = self.of(base).find(|param| param.url() == url);
        match found.filter(|param| param.kind != ParamKind::Composite && supported(param)) {
            Some(param) => Ok(param),
            None => Err(format!(
                "no search parameter of `{base}` that could be a component is defined by `{url}`"
            )),
        }
    }
}

/// The parts of a union that are for one type: those that begin with its name, or with no type's name.
fn of_base(expression: &str, base: ResourceType) -> Option<CompactString> {
    let is_of = |part: &&str| {
        let word = part.trim_start_matches(['(', ' ']);
        let word = &word[..word.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(word.len())];
        word == base.name() || ResourceType::from_name(word).is_none()
    };
    let parts: Vec<&str> = alternatives(expression).into_iter().filter(is_of).collect();
    (!parts.is_empty()).then(|| parts.join(" | ").into())
}

/// Whether a parameter of this kind can compare something of what the expression leads to.
fn fitting(kind: ParamKind, finder: &Finder) -> Result<(), String> {
    let Some(types) = finder.types() else { return Ok(()) };
    if types.iter().any(|name| compares(kind, name)) {
        return Ok(());
    }
    let mut found: Vec<String> = types.iter().map(|name| format!("`{name}`")).collect();
    found.dedup();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    Err(format!("it leads to {found}, which a parameter of type `{}` cannot compare", kind.name()))
}

/// Whether a parameter of a kind takes values of a type (R4B §3.1.1.4.7 to §3.1.1.4.13).
fn compares(kind: ParamKind, name: &str) -> bool {
    let is_uri = matches!(name, "uri" | "url" | "canonical" | "oid" | "uuid");
    let is_text = matches!(name, "string" | "markdown" | "code" | "id" | "String");
    let is_number =
        matches!(name, "decimal" | "integer" | "positiveInt" | "unsignedInt" | "Decimal" | "Integer");
    match kind {
        ParamKind::Token => {
            let is_coded = matches!(
                name,
                "Coding" | "CodeableConcept" | "CodeableReference" | "Identifier" | "ContactPoint"
            );
            is_coded || is_uri || is_text || is_number || matches!(name, "boolean" | "Boolean")
        }
        ParamKind::String => is_text || is_uri || matches!(name, "HumanName" | "Address"),
        ParamKind::Reference => is_uri || matches!(name, "Reference" | "CodeableReference" | "Resource"),
        ParamKind::Date => {
            matches!(name, "date" | "dateTime" | "instant" | "Period" | "Timing" | "Date" | "DateTime")
        }
        ParamKind::Number => is_number,
        ParamKind::Quantity => matches!(
            name,
            "Quantity"
                | "Age"
                | "Count"
                | "Distance"
                | "Duration"
                | "SimpleQuantity"
                | "MoneyQuantity"
                | "Money"
                | "Range"
        ),
        ParamKind::Uri => is_uri || is_text,
        ParamKind::Composite | ParamKind::Special => false,
    }
}
