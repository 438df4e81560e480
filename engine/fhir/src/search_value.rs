//! Reads the value of one search parameter: its alternatives, prefixes and modifiers (R4B §3.1.1.4).

use compact_str::CompactString;

use crate::aspects::{Aspect, has_spelling, type_of_identifier};
use crate::composite;
use crate::fhirpath::split_literal;
use crate::measure::{Unit, Written, place, point};
use crate::moment;
use crate::normal::{as_written, normal};
use crate::params::{Param, ParamKind, by_id};
use crate::resource::Id;
use crate::search::{Counted, FilterOn, Prefix, StringTest, Test, Told};
use crate::search_parse::{SearchError, shown};
use crate::sought::Sought;
use crate::spelling::spelt;
use crate::types::ResourceType;

/// More comma-separated alternatives are refused.
const MAX_ALTERNATIVES: usize = 500;

const TOKEN_MODIFIERS: &str = "`:not`, `:missing`, `:in`, `:not-in`, `:above`, `:below`, `:text` of what has a text beside it, or `:of-type` of identifiers";

/// A parameter as it stands in the query.
pub(crate) struct Asked<'q> {
    pub(crate) on: &'q FilterOn,
    pub(crate) code: &'q str,
    pub(crate) modifier: Option<&'q str>,
    pub(crate) base: Option<&'q str>,
}

impl Asked<'_> {
    fn wrong(&self, expected: &'static str) -> SearchError {
        SearchError::Value { name: shown(self.code), expected }
    }

    fn misfit(&self, expected: &'static str) -> SearchError {
        let modifier = shown(self.modifier.unwrap_or_default());
        SearchError::Modifier { name: shown(self.code), modifier, expected }
    }
}

/// The tests, any of which may hold, and whether none must (`:not`).
pub(crate) fn alternatives(asked: &Asked<'_>, value: &str) -> Result<(Vec<Test>, bool), SearchError> {
    let param = match asked.on {
        FilterOn::Param(id) => by_id(*id),
        FilterOn::Id
        | FilterOn::LastUpdated
        | FilterOn::Narrative
        | FilterOn::Content
        | FilterOn::Pointed
        | FilterOn::Each
        | FilterOn::Contains => None,
    };
    if let (Some("missing"), Some(_)) = (asked.modifier, param) {
        return match value {
            "true" => Ok((vec![Test::Missing(true)], false)),
            "false" => Ok((vec![Test::Missing(false)], false)),
            _ => Err(asked.wrong("`true` or `false`")),
        };
    }
    let not = matches!(asked.modifier, Some("not" | "not-in"))
        && param.is_some_and(|param| param.kind == ParamKind::Token);
    let parts = split(value, ',');
    if parts.len() > MAX_ALTERNATIVES {
        return Err(asked.wrong("at most 500 alternatives"));
    }
    if let (Some("above"), Some(ParamKind::Uri)) = (asked.modifier, param.map(|param| param.kind)) {
        let tests: Vec<Test> = parts.iter().flat_map(|part| above(&unescape(part))).collect();
        return match tests.len() {
            0..=MAX_ALTERNATIVES => Ok((tests, false)),
            _ => Err(asked.wrong("URLs with fewer steps in their paths")),
        };
    }
    let tests = parts.iter().map(|part| match (asked.on, param) {
        _ if part.is_empty() => Err(asked.wrong("a value")),
        (FilterOn::Id, _) => id(asked, part),
        (FilterOn::LastUpdated, _) => date(asked, part),
        (FilterOn::Narrative | FilterOn::Content, _) => sought(asked, part),
        (FilterOn::Param(_), Some(param)) => value_of(asked, param, part),
        (FilterOn::Param(_) | FilterOn::Pointed | FilterOn::Each | FilterOn::Contains, None | Some(_)) => {
            Err(asked.wrong("a parameter of this server"))
        }
    });
    let mut tests = tests.collect::<Result<Vec<_>, _>>()?;
    if let Some(param) = param.filter(|param| param.kind == ParamKind::String) {
        let also: Vec<Test> = parts.iter().flat_map(|part| also(param, asked.modifier, part)).collect();
        tests.extend(also);
    }
    Ok((tests, not))
}

/// One alternative of a parameter.
fn value_of(asked: &Asked<'_>, param: &Param, part: &str) -> Result<Test, SearchError> {
    match param.kind {
        ParamKind::Token => match asked.modifier {
            None | Some("not") => token(asked, part),
            Some(modifier) => of_token(asked, param, modifier, part),
        },
        ParamKind::String => string(asked, part),
        ParamKind::Reference if asked.modifier == Some("identifier") => {
            Ok(Test::Of(Aspect::Identifier, Box::new(token(asked, part)?)))
        }
        ParamKind::Reference => reference(asked, param, part),
        ParamKind::Date => date(asked, part),
        ParamKind::Number => number(asked, part),
        ParamKind::Quantity => quantity(asked, part),
        ParamKind::Uri => uri(asked, part),
        ParamKind::Composite => together(asked, param, part),
        ParamKind::Special => Err(asked.wrong("a parameter that is indexed")),
    }
}

/// Splits at marks that no backslash stands before; escapes stay for [`unescape`].
fn split(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == mark && !escaped {
            parts.push(&text[start..at]);
            start = at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Takes the backslash from `\,`, `\|`, `\$` and `\\`; any other backslash is itself.
fn unescape(text: &str) -> CompactString {
    let mut plain = CompactString::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let escaped = letters.next_if(|next| letter == '\\' && matches!(next, ',' | '|' | '$' | '\\'));
        plain.push(escaped.unwrap_or(letter));
    }
    plain
}

fn id(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("no modifier"));
    }
    let id = Id::new(&unescape(part)).map_err(|_| asked.wrong("an id"))?;
    Ok(Test::Id(id.as_str().into()))
}

fn sought(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("no modifier"));
    }
    let form = "words, `\"a phrase\"`, `-word`, `OR` and brackets, with a word that must be there";
    Sought::read(&unescape(part)).map(Test::Sought).ok_or_else(|| asked.wrong(form))
}

/// `code`, `system|code`, `|code`, `system|`
fn token(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    match split(part, '|').as_slice() {
        [code] => Ok(Test::Token { system: None, code: Some(unescape(code)) }),
        ["", ""] => Err(asked.wrong("a system or a code beside the bar")),
        [system, ""] => Ok(Test::Token { system: Some(unescape(system)), code: None }),
        [system, code] => Ok(Test::Token { system: Some(unescape(system)), code: Some(unescape(code)) }),
        _ => Err(asked.wrong("`code`, `system|code`, `|code` or `system|`")),
    }
}

/// The types that have a text beside their code, or a display.
pub(crate) const HAVE_TEXT: [&str; 4] = ["CodeableConcept", "Coding", "CodeableReference", "Identifier"];

/// What is beside a code: `:text` as a string, `:of-type` as `system|code|value`.
fn of_token(asked: &Asked<'_>, param: &Param, modifier: &str, part: &str) -> Result<Test, SearchError> {
    match modifier {
        "text" if param.may_be(&HAVE_TEXT) => {
            let text = normal(&unescape(part));
            if text.is_empty() {
                return Err(asked.wrong("text that is more than spaces and accents"));
            }
            Ok(Test::Of(Aspect::Text, Box::new(Test::String(StringTest::Starts, text))))
        }
        "of-type" if param.may_be(&["Identifier"]) => match split(part, '|').as_slice() {
            [system, code, value] if !system.is_empty() && !code.is_empty() && !value.is_empty() => {
                let system = type_of_identifier(&unescape(system), &unescape(code));
                let value = Test::Token { system: Some(system), code: Some(unescape(value)) };
                Ok(Test::Of(Aspect::OfType, Box::new(value)))
            }
            _ => Err(asked.wrong("`system|code|value`: the type of the identifier and its value")),
        },
        "in" | "not-in" => Ok(Test::Told(Told::In(unescape(part)))),
        "above" | "below" => match split(part, '|').as_slice() {
            [system, code] if !system.is_empty() && !code.is_empty() => {
                let told = if modifier == "above" { Told::Above } else { Told::Below };
                Ok(Test::Told(told(unescape(system), unescape(code))))
            }
            _ => Err(asked.wrong("`system|code`")),
        },
        _ => Err(asked.misfit(TOKEN_MODIFIERS)),
    }
}

fn string(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    let text = unescape(part);
    let (test, text) = match asked.modifier {
        None => (StringTest::Starts, normal(&text)),
        Some("contains") => (StringTest::Contains, normal(&text)),
        Some("exact") => (StringTest::Exact, text),
        Some(_) => return Err(asked.misfit("`:exact`, `:contains` or `:missing`")),
    };
    if text.is_empty() {
        return Err(asked.wrong("text that is more than spaces and accents"));
    }
    Ok(Test::String(test, text))
}

/// Under what a string is found besides: as a name is spelt, and as rows of an earlier generation have it.
fn also(param: &Param, modifier: Option<&str>, part: &str) -> Vec<Test> {
    let how = match modifier {
        None => StringTest::Starts,
        Some("contains") => StringTest::Contains,
        Some(_) => return Vec::new(),
    };
    let text = unescape(part);
    let spelt = spelt(&text).filter(|_| has_spelling(param));
    let spelt = spelt.map(|letters| Test::Of(Aspect::Spelling, Box::new(Test::String(how, letters))));
    let written = Some(as_written(&text)).filter(|written| *written != normal(&text));
    spelt.into_iter().chain(written.map(|written| Test::String(how, written))).collect()
}

/// An id, `Type/id`, or a URL; the modifier may name the type of a bare id.
fn reference(asked: &Asked<'_>, param: &Param, part: &str) -> Result<Test, SearchError> {
    let named = match asked.modifier {
        None => None,
        Some(modifier) => {
            let kind = ResourceType::from_name(modifier);
            let fits = kind.filter(|kind| param.targets.is_empty() || param.targets.contains(kind));
            Some(fits.ok_or_else(|| {
                asked.misfit("`:missing`, `:identifier` or a resource type the parameter may point at")
            })?)
        }
    };
    let text = unescape(part);
    let own = asked.base.and_then(|base| text.strip_prefix(base)?.strip_prefix('/')).unwrap_or(&text);
    if own.contains(':') {
        return Ok(Test::Reference { kind: named, id: own.into() });
    }
    if let Some((kind, id)) = split_literal(own).filter(|(kind, _)| own.starts_with(kind.name())) {
        let id = Id::new(id).map_err(|_| asked.wrong("an id after the resource type"))?;
        let agrees = named.is_none_or(|named| named == kind);
        return match agrees {
            true => Ok(Test::Reference { kind: Some(kind), id: id.as_str().into() }),
            false => Err(asked.wrong("a reference of the type its modifier names")),
        };
    }
    let id = Id::new(own).map_err(|_| asked.wrong("an id, `Type/id` or a URL"))?;
    let sole = match param.targets.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    Ok(Test::Reference { kind: named.or(sole), id: id.as_str().into() })
}

fn date(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("`:missing` or no modifier"));
    }
    let text = unescape(part);
    let (prefix, digits) = prefixed(&text);
    let moment =
        moment::read(digits).ok_or_else(|| asked.wrong("a date or a date and time, maybe with a prefix"))?;
    Ok(Test::Date { prefix, low: moment.low, high: moment.high })
}

/// The comparison a value begins with, and what follows it.
fn prefixed(text: &str) -> (Prefix, &str) {
    let prefix = match text.get(..2) {
        Some("eq") => Prefix::Eq,
        Some("ne") => Prefix::Ne,
        Some("gt") => Prefix::Gt,
        Some("lt") => Prefix::Lt,
        Some("ge") => Prefix::Ge,
        Some("le") => Prefix::Le,
        Some("sa") => Prefix::Sa,
        Some("eb") => Prefix::Eb,
        Some("ap") => Prefix::Ap,
        _ => return (Prefix::Eq, text),
    };
    (prefix, &text[2..])
}

fn number(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("`:missing` or no modifier"));
    }
    let (prefix, digits) = prefixed(part);
    let written = Written::read(digits).ok_or_else(|| asked.wrong("a number, maybe with a prefix"))?;
    let (low, high) = reach(prefix, written.value(), written.around());
    Ok(Test::Number { prefix, low, high, of: Counted::Anything })
}

/// `number`, `number|system|code` or `number||code`.
fn quantity(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("`:missing` or no modifier"));
    }
    let form = "`number`, `number|system|code` or `number||code`, maybe with a prefix";
    let parts = split(part, '|');
    let (prefix, digits) = prefixed(parts[0]);
    let written = Written::read(digits).ok_or_else(|| asked.wrong(form))?;
    let as_written = || reach(prefix, written.value(), written.around());
    let ((low, high), of) = match parts.as_slice() {
        [_] => (as_written(), Counted::Anything),
        [_, "", code] if !code.is_empty() => (as_written(), Counted::Named(unescape(code))),
        [_, system, code] if !code.is_empty() => {
            let unit = Unit::of(&unescape(system), &unescape(code));
            let value = unit.value(written).zip(unit.around(written));
            let (value, around) = value.ok_or_else(|| asked.wrong("a number that is not so large"))?;
            (reach(prefix, value, around), Counted::Unit(unit.name))
        }
        _ => return Err(asked.wrong(form)),
    };
    Ok(Test::Number { prefix, low, high, of })
}

/// The span a number is compared as: what its digits leave open where it is to be equal, a tenth around it for `ap`, else
/// the number itself (R4B §3.1.1.4.6).
fn reach(prefix: Prefix, value: f64, around: (f64, f64)) -> (i64, i64) {
    match prefix {
        Prefix::Eq | Prefix::Ne => (place(around.0), place(around.1)),
        Prefix::Ap => {
            let tenth = value.abs() / 10.0;
            (place(value - tenth), place(value + tenth) + 1)
        }
        Prefix::Gt | Prefix::Lt | Prefix::Ge | Prefix::Le | Prefix::Sa | Prefix::Eb | Prefix::Overlaps => {
            point(value)
        }
    }
}

/// A value for each component, with dollar signs between them.
fn together(asked: &Asked<'_>, param: &Param, part: &str) -> Result<Test, SearchError> {
    if asked.modifier.is_some() {
        return Err(asked.misfit("`:missing` or no modifier"));
    }
    let composite = composite::of(param).ok_or_else(|| asked.wrong("a composite that is understood"))?;
    let parts = split(part, '$');
    if parts.len() != composite.components.len() {
        return Err(asked.wrong("a value for each component, with `$` between them"));
    }
    let mut tests = Vec::with_capacity(parts.len());
    for (component, part) in composite.components.iter().zip(parts) {
        let on = FilterOn::Param(component.id);
        let of = Asked { on: &on, code: asked.code, modifier: None, base: asked.base };
        if part.is_empty() {
            return Err(asked.wrong("a value for each component, with `$` between them"));
        }
        tests.push((component.id, value_of(&of, component, part)?));
    }
    Ok(Test::Together(tests))
}

/// A URI as it stands; `:below` it, or `:above` it, in the path of a URL (R4B §3.1.1.4.5).
fn uri(asked: &Asked<'_>, part: &str) -> Result<Test, SearchError> {
    let uri = unescape(part);
    match asked.modifier {
        None => Ok(Test::Token { system: None, code: Some(uri) }),
        Some("below") => Ok(Test::Below(uri.trim_end_matches('/').into())),
        Some("contains") => Ok(Test::Holds(uri)),
        Some(_) => Err(asked.misfit("`:below`, `:above`, `:contains` or `:missing`")),
    }
}

/// The URL and every one it goes on from: `http://a/b/c`, `http://a/b`, `http://a`. Of a URN only itself.
fn above(uri: &str) -> Vec<Test> {
    let path = uri.find("://").map_or(uri.len(), |at| at + 3);
    let ends = uri.match_indices('/').map(|(at, _)| at).filter(|at| *at > path && *at + 1 < uri.len());
    let ends = ends.chain([uri.trim_end_matches('/').len()]);
    // With and without the slash at its end.
    let urls = ends.flat_map(|end| [uri[..end].to_owned(), format!("{}/", &uri[..end])]);
    urls.map(|url| Test::Token { system: None, code: Some(url.into()) }).collect()
}
