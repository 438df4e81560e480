//! Conditions: what must hold of a document for a line to be done.

use std::fmt;

use compact_str::CompactString;
use hub_core::document::{Document, Node, Text};
use hub_core::path::Path;
use regex::Regex;

use crate::condition_parse::{self, ConditionError};
use crate::find::Found;
use crate::read::Reader;

/// A compiled condition: `PID-8 = "M" and PV1-2 in ["I", "E"]`.
#[derive(Clone)]
pub struct Condition {
    pub(crate) text: CompactString,
    pub(crate) root: Test,
}

/// One test, or several of them joined.
#[derive(Clone)]
pub(crate) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Value { path: Path, all: bool, is: Is },
}

/// What is asked of the values at a path.
#[derive(Clone)]
pub(crate) enum Is {
    /// `= "x"`, `in ["x", "y"]`
    OneOf(Vec<CompactString>),
    /// `!= "x"`, `not in ["x", "y"]`: no value equals.
    NoneOf(Vec<CompactString>),
    Valued,
    NotValued,
    Null,
    Matches(Regex),
}

impl Condition {
    /// Reads a condition.
    pub fn compile(text: &str) -> Result<Self, ConditionError> {
        condition_parse::parse(text).map(|root| Self { text: text.into(), root })
    }

    /// Whether it holds, its paths seen from `scope`.
    pub fn holds(&self, doc: &dyn Document, scope: Node) -> bool {
        self.holds_in(&Reader::new(doc, &Found::default()), scope)
    }

    /// The same, and what is read is traced.
    pub(crate) fn holds_in(&self, reader: &Reader<'_>, scope: Node) -> bool {
        holds(&self.root, reader, scope)
    }

    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Every path it reads.
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        collect(&self.root, &mut paths);
        paths
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

fn collect<'a>(test: &'a Test, paths: &mut Vec<&'a Path>) {
    match test {
        Test::And(tests) | Test::Or(tests) => tests.iter().for_each(|test| collect(test, paths)),
        Test::Not(test) => collect(test, paths),
        Test::Value { path, .. } => paths.push(path),
    }
}

fn holds(test: &Test, reader: &Reader<'_>, scope: Node) -> bool {
    match test {
        Test::And(tests) => tests.iter().all(|test| holds(test, reader, scope)),
        Test::Or(tests) => tests.iter().any(|test| holds(test, reader, scope)),
        Test::Not(test) => !holds(test, reader, scope),
        Test::Value { path, all, is } => {
            let mut nodes = reader.buffer();
            reader.select(scope, path, &mut nodes);
            let holds = value_holds(is, *all, reader, &nodes);
            reader.give_back(nodes);
            holds
        }
    }
}

fn value_holds(is: &Is, all: bool, reader: &Reader<'_>, nodes: &[Node]) -> bool {
    let over = |test: &dyn Fn(&str) -> bool| {
        let mut values = nodes.iter().filter_map(|node| reader.text(*node)?.value()).peekable();
        if all {
            values.peek().is_some() && values.all(|value| test(value.trim()))
        } else {
            values.any(|value| test(value.trim()))
        }
    };
    let is_null = |node: &Node| matches!(reader.text(*node), Some(Text::Null));
    match is {
        Is::OneOf(known) => over(&|value| known.iter().any(|one| one == value)),
        Is::NoneOf(known) => {
            let equals = |value: &str| known.iter().any(|one| one == value);
            !nodes.iter().filter_map(|node| reader.text(*node)?.value()).any(|value| equals(value.trim()))
        }
        Is::Valued if all => !nodes.is_empty() && !nodes.iter().any(is_null),
        Is::Valued => nodes.iter().any(|node| !is_null(node)),
        Is::NotValued => nodes.iter().all(is_null),
        Is::Null if all => !nodes.is_empty() && nodes.iter().all(is_null),
        Is::Null => nodes.iter().any(is_null),
        Is::Matches(regex) => over(&|value| regex.is_match(value)),
    }
}
