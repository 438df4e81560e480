//! Reads `_filter`: <https://hl7.org/fhir/R4B/search_filter.html>.
//!
//! Each comparison becomes what the same parameter says in a query; `and`, `or`, `not` and parentheses become filters of
//! filters. `and` binds closer than `or`.

use crate::params::{Param, ParamKind};
use crate::search::{Filter, FilterOn, Prefix, StringTest, Test};
use crate::search_links::{Reading, bounded, through_reference};
use crate::search_parse::{SearchError, filter_on, shown};
use crate::search_value::{Asked, alternatives};
use crate::types::ResourceType;

/// Each comparison is an expression of a statement, which databases bound.
const MAX_COMPARISONS: usize = 200;
/// Parentheses and brackets within one another.
const MAX_DEPTH: usize = 12;

/// The filter that a text says for a type.
pub(crate) fn read(kind: ResourceType, text: &str, reading: &Reading<'_>) -> Result<Filter, SearchError> {
    let mut reader = Reader { rest: text, comparisons: 0 };
    let said = reader.either(0)?;
    match reader.rest.trim_start() {
        "" => understand(kind, &said, reading),
        _ => Err(wrong("`and`, `or` or the end after a comparison")),
    }
}

fn wrong(expected: &'static str) -> SearchError {
    SearchError::Value { name: "_filter".into(), expected }
}

/// A filter as it is written.
#[derive(Debug)]
enum Said<'t> {
    Compared { path: Vec<Step<'t>>, operator: &'t str, value: Value<'t> },
    And(Vec<Said<'t>>),
    Or(Vec<Said<'t>>),
    Not(Box<Said<'t>>),
}

/// A part of a path: a parameter, and what must hold of that which it leads to.
#[derive(Debug)]
struct Step<'t> {
    name: &'t str,
    when: Option<Said<'t>>,
}

#[derive(Debug)]
enum Value<'t> {
    /// A word as it stands: a token, a date, a number.
    Word(&'t str),
    /// Text that stood between quotes.
    Quoted(String),
}

struct Reader<'t> {
    rest: &'t str,
    comparisons: usize,
}

impl<'t> Reader<'t> {
    fn take(&mut self, sign: char) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Letters up to what is none of a name.
    fn name(&mut self) -> &'t str {
        let text = self.rest.trim_start();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-:".contains(letter);
        let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
        self.rest = &text[end..];
        &text[..end]
    }

    /// Takes a word only when it is this one.
    fn word(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.name() == word {
            return true;
        }
        self.rest = before;
        false
    }

    fn either(&mut self, depth: usize) -> Result<Said<'t>, SearchError> {
        let mut any = vec![self.both(depth)?];
        while self.word("or") {
            any.push(self.both(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Said::Or(any) })
    }

    fn both(&mut self, depth: usize) -> Result<Said<'t>, SearchError> {
        let mut all = vec![self.one(depth)?];
        while self.word("and") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Said::And(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Said<'t>, SearchError> {
        if depth > MAX_DEPTH {
            return Err(wrong("at most 12 parentheses or brackets within one another"));
        }
        let before = self.rest;
        if self.word("not") {
            // A parameter might be called so.
            if self.rest.trim_start().starts_with('(') {
                return Ok(Said::Not(Box::new(self.one(depth)?)));
            }
            self.rest = before;
        }
        if self.take('(') {
            let inner = self.either(depth + 1)?;
            return if self.take(')') { Ok(inner) } else { Err(wrong("a closing parenthesis")) };
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Said<'t>, SearchError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(wrong("at most 200 comparisons"));
        }
        let mut path = Vec::new();
        loop {
            let name = self.name();
            if name.is_empty() {
                return Err(wrong("a search parameter"));
            }
            let mut when = None;
            if self.rest.starts_with('[') && self.take('[') {
                when = Some(self.either(depth + 1)?);
                if !self.take(']') {
                    return Err(wrong("a closing bracket"));
                }
            }
            path.push(Step { name, when });
            match self.rest.strip_prefix('.') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        let operator = self.name();
        let value = self.value()?;
        Ok(Said::Compared { path, operator, value })
    }

    fn value(&mut self) -> Result<Value<'t>, SearchError> {
        let text = self.rest.trim_start();
        if !text.starts_with('"') {
            let end = text.find(|letter: char| letter.is_whitespace() || ")]".contains(letter));
            let (word, rest) = text.split_at(end.unwrap_or(text.len()));
            self.rest = rest;
            return if word.is_empty() {
                Err(wrong("a value after an operator"))
            } else {
                Ok(Value::Word(word))
            };
        }
        // The quoted text is as in JSON.
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, letter)| {
            let is_end = *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            is_end
        });
        let (end, _) = end.ok_or_else(|| wrong("a closing quote"))?;
        self.rest = &text[end + 1..];
        match crate::json::parse(&text[..=end]) {
            Ok(crate::Json::String(text)) => Ok(Value::Quoted(text.into())),
            _ => Err(wrong("text in quotes, as in JSON")),
        }
    }
}

/// What was written, for a type.
fn understand(kind: ResourceType, said: &Said<'_>, reading: &Reading<'_>) -> Result<Filter, SearchError> {
    let each = |any, not| Filter { on: FilterOn::Each, any, not };
    let all = |said: &[Said<'_>]| said.iter().map(|one| understand(kind, one, reading)).collect();
    match said {
        Said::Compared { path, operator, value } => compared(kind, path, operator, value, reading),
        Said::And(said) => Ok(each(vec![Test::All(all(said)?)], false)),
        Said::Or(said) => {
            let any: Result<Vec<Filter>, SearchError> = all(said);
            Ok(each(any?.into_iter().map(|one| Test::All(vec![one])).collect(), false))
        }
        Said::Not(said) => Ok(each(vec![Test::All(vec![understand(kind, said, reading)?])], true)),
    }
}

fn compared(
    kind: ResourceType,
    path: &[Step<'_>],
    operator: &str,
    value: &Value<'_>,
    reading: &Reading<'_>,
) -> Result<Filter, SearchError> {
    let Some((step, rest)) = path.split_first() else { return Err(wrong("a search parameter")) };
    if rest.is_empty() && step.when.is_none() {
        return one(kind, step.name, operator, value, reading);
    }
    if rest.is_empty() {
        return Err(wrong("a dot and a parameter after a bracket"));
    }
    let (code, through) = match step.name.split_once(':') {
        Some((code, through)) => (code, Some(through)),
        None => (step.name, None),
    };
    bounded(&".".repeat(path.len()))?;
    filter_on(kind, code, reading.parameters)?;
    let param = reading.parameters.find(kind, code).ok_or_else(|| wrong("a reference before a dot"))?;
    through_reference(param, through, step.name, reading, &|to| {
        let found = compared(to, rest, operator, value, reading)?;
        let Some(when) = &step.when else { return Ok(found) };
        let both = vec![understand(to, when, reading)?, found];
        Ok(Filter { on: FilterOn::Each, any: vec![Test::All(both)], not: false })
    })
}

/// A comparison of one parameter.
fn one(
    kind: ResourceType,
    code: &str,
    operator: &str,
    value: &Value<'_>,
    reading: &Reading<'_>,
) -> Result<Filter, SearchError> {
    let on = filter_on(kind, code, reading.parameters)?;
    let param = match on {
        FilterOn::Param(_) => reading.parameters.find(kind, code),
        _ => None,
    };
    let text = escaped(value, param);
    let (modifier, text) = modifier(&on, param, operator, text).ok_or_else(|| SearchError::Modifier {
        name: shown(code),
        modifier: shown(operator),
        expected: FITTING,
    })?;
    let asked = Asked { on: &on, code, modifier, base: reading.base };
    let (any, not) = alternatives(&asked, &text)?;
    // Other spellings are found as well; that a value is none of them does not make it another one.
    let counted = if operator == "ne" { 1 } else { any.len() };
    let any = any.into_iter().take(counted).map(|test| meant(operator, test));
    Ok(Filter { any: any.collect(), on, not })
}

const FITTING: &str = "an operator of `_filter` that fits the kind of the parameter: `eq ne co sw ew` for text, `eq ne gt lt ge le ap` for dates, \
    numbers and quantities, `sa eb po` for dates, `eq ne in ss sb` for tokens, `eq re` for references, `pr` for all";

/// What the operator is in a query: a modifier, or a prefix of the value; `None` where it does not fit.
fn modifier(
    on: &FilterOn,
    param: Option<&Param>,
    operator: &str,
    text: String,
) -> Option<(Option<&'static str>, String)> {
    use ParamKind::{Composite, Date, Number, Quantity, Reference, Special, String, Token, Uri};
    let kind = match on {
        FilterOn::LastUpdated => Date,
        FilterOn::Id => Token,
        FilterOn::Narrative | FilterOn::Content => Special,
        _ => param?.kind,
    };
    let prefixed = |prefix: &str| Some((None, format!("{prefix}{text}")));
    match (operator, kind) {
        ("pr", _) => match text.as_str() {
            "true" => Some((Some("missing"), "false".to_owned())),
            "false" => Some((Some("missing"), "true".to_owned())),
            _ => None,
        },
        ("eq" | "ne" | "gt" | "lt" | "ge" | "le" | "ap", Date | Number | Quantity) => prefixed(operator),
        ("sa" | "eb", Date) => prefixed(operator),
        ("po", Date) => prefixed("ap"),
        ("eq" | "ne" | "sw" | "ew", String) => Some((None, text)),
        ("co", Special) => Some((None, text)),
        ("co", String | Uri) => Some((Some("contains"), text)),
        ("eq" | "ne", Token | Uri | Reference) | ("eq", Composite) | ("re", Reference) => Some((None, text)),
        ("in", Token) => Some((Some("in"), text)),
        ("ss", Token) => Some((Some("below"), text)),
        ("sb", Token) => Some((Some("above"), text)),
        _ => None,
    }
}

/// What the operator makes of the test that stands for it in a query.
fn meant(operator: &str, test: Test) -> Test {
    match (operator, test) {
        ("eq", Test::String(StringTest::Starts, text)) => Test::String(StringTest::Is, text),
        ("ew", Test::String(StringTest::Starts, text)) => Test::String(StringTest::Ends, text),
        (_, Test::Of(aspect, test)) => Test::Of(aspect, Box::new(meant(operator, *test))),
        ("po", Test::Date { low, high, .. }) => Test::Date { prefix: Prefix::Overlaps, low, high },
        ("ne", Test::String(StringTest::Starts, text)) => {
            Test::Unlike(Box::new(Test::String(StringTest::Is, text)))
        }
        ("ne", test @ (Test::Token { .. } | Test::Reference { .. } | Test::Id(_))) => {
            Test::Unlike(Box::new(test))
        }
        (_, test) => test,
    }
}

/// A value as it stands in a query: what divides values there is a sign like any other here.
fn escaped(value: &Value<'_>, param: Option<&Param>) -> String {
    let has_parts = param.is_none_or(|param| !matches!(param.kind, ParamKind::String | ParamKind::Uri));
    let signs: &[char] = if has_parts { &[','] } else { &[',', '|', '$', '\\'] };
    let text: &str = match value {
        Value::Word(word) => word,
        Value::Quoted(text) => text,
    };
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if signs.contains(&letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
