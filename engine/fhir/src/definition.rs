//! A search parameter of the server's own as its SearchParameter resource defines it (R4B §5.3).

use compact_str::CompactString;

use crate::json::{Json, Object};
use crate::outcome::Severity;
use crate::params::ParamKind;
use crate::types::ResourceType;
use crate::validate::{Issue, IssueCode};

/// What a SearchParameter resource says about a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its canonical URL.
    pub url: CompactString,
    /// Its name in a query.
    pub code: CompactString,
    /// How its values compare.
    pub kind: ParamKind,
    /// The types it searches.
    pub bases: Vec<ResourceType>,
    /// The whole expression; one of several types is a union.
    pub expression: CompactString,
    /// What it may point at, for references; empty: anything.
    pub targets: Vec<ResourceType>,
    /// The definitions of a composite's components, in their order.
    pub components: Vec<CompactString>,
}

/// Whether a SearchParameter resource is meant to be in force.
pub fn is_active(tree: &Object) -> bool {
    tree.get("status").and_then(Json::as_str) == Some("active")
}

impl Definition {
    /// Reads a SearchParameter resource; says everything that is wrong with it.
    pub fn read(tree: &Object) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let text = |name| tree.get(name).and_then(Json::as_str).unwrap_or_default();
        let texts = |name| {
            let values = tree.get(name).map(Json::items).unwrap_or_default();
            values.iter().filter_map(Json::as_str).collect::<Vec<&str>>()
        };
        let mut wrong = |element: &str, what: &str| issues.push(issue(element, what));
        let (url, code, expression) = (text("url"), text("code"), text("expression"));
        if url.is_empty() || !url.contains(':') {
            wrong("url", "a search parameter needs an absolute URL that names it");
        }
        if !is_code(code) {
            wrong("code", "expected 1 to 64 letters, digits, `-` and `_` that begin with a letter");
        }
        let kind = ParamKind::from_name(text("type"));
        if kind == ParamKind::Special {
            wrong(
                "type",
                "expected `number`, `date`, `string`, `token`, `reference`, `composite`, `quantity` or `uri`",
            );
        }
        if expression.is_empty() {
            wrong("expression", "resources are indexed by an expression; there is none");
        }
        let bases = types(&texts("base"));
        match &bases {
            Some(bases) if !bases.is_empty() => {}
            _ => wrong(
                "base",
                "expected the names of resource types; `Resource` and `DomainResource` are too many",
            ),
        }
        let targets = types(&texts("target"));
        if targets.is_none() {
            wrong("target", "expected the names of resource types");
        }
        let components = tree.get("component").map(Json::items).unwrap_or_default();
        let components =
            components.iter().map(|component| component.get("definition").and_then(Json::as_str));
        let components: Option<Vec<CompactString>> = components.map(|url| url.map(Into::into)).collect();
        match (&components, kind) {
            (Some(components), ParamKind::Composite) if components.len() > 1 => {}
            (_, ParamKind::Composite) => {
                wrong("component", "a composite needs two components or more, each with its definition")
            }
            (Some(components), _) if components.is_empty() => {}
            _ => wrong("component", "only a composite has components"),
        }
        match (bases, targets, components) {
            (Some(mut bases), Some(targets), Some(components)) if issues.is_empty() => {
                bases.sort_unstable();
                bases.dedup();
                let (url, code, expression) = (url.into(), code.into(), expression.into());
                Ok(Self { url, code, kind, bases, expression, targets, components })
            }
            _ => Err(issues),
        }
    }

    /// Says it as a resource; [`Definition::read`] reads the same of it.
    pub fn to_tree(&self) -> Object {
        let names = |types: &[ResourceType]| types.iter().map(|kind| Json::string(kind.name())).collect();
        let mut tree = Object::with_capacity(8);
        tree.set("url", self.url.as_str());
        tree.set("code", self.code.as_str());
        tree.set("base", Json::Array(names(&self.bases)));
        tree.set("type", self.kind.name());
        tree.set("expression", self.expression.as_str());
        tree.set("target", Json::Array(names(&self.targets)));
        let component = |url: &CompactString| {
            let mut component = Object::with_capacity(1);
            component.set("definition", url.as_str());
            Json::Object(component)
        };
        tree.set("component", Json::Array(self.components.iter().map(component).collect()));
        tree
    }
}

/// Something that is wrong with an element of a SearchParameter.
pub fn issue(element: &str, what: &str) -> Issue {
    let path = format!("SearchParameter.{element}");
    Issue { path, what: what.to_owned(), code: IssueCode::Invariant, severity: Severity::Error }
}

fn is_code(code: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    code.len() <= 64
        && code.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && code.bytes().all(fits)
}

fn types(names: &[&str]) -> Option<Vec<ResourceType>> {
    names.iter().map(|name| ResourceType::from_name(name)).collect()
}

/// The parts of a union, split where no parenthesis or text is open.
pub(crate) fn alternatives(expression: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quote) = (Vec::new(), 0_i32, 0, None);
    let mut is_escaped = false;
    for (at, letter) in expression.char_indices() {
        match (quote, letter) {
            (Some(open), _) => {
                if letter == open && !is_escaped {
                    quote = None;
                }
                is_escaped = letter == '\\' && !is_escaped;
            }
            (None, '\'' | '`') => quote = Some(letter),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, '|') if depth == 0 => {
                parts.push(expression[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(expression[start..].trim());
    parts
}
