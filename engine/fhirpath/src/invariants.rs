//! The invariants of R4B's own definitions: 240 keys, from `tables/invariants.tsv`, each expression compiled at its first use.

use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, OnceLock};

use hub_fhir::elements::{Element, TypeDef, type_of};

use crate::error::SyntaxError;
use crate::expression::{Expression, On};

/// One rule of the definitions.
#[derive(Debug)]
pub struct Invariant {
    /// `pat-1`; not unique, as some types reuse a key.
    pub key: &'static str,
    /// The type or element it is a rule of: `Patient.contact`.
    pub owner: &'static str,
    /// Whether what breaks it is an error; otherwise a warning.
    pub is_error: bool,
    /// The condition, in FHIRPath.
    pub expression: &'static str,
    /// What it demands, for people.
    pub human: &'static str,
    compiled: OnceLock<Result<Expression, SyntaxError>>,
}

struct Table {
    rules: Vec<Invariant>,
    /// The rules of an owner, as a range of `rules`.
    by_owner: HashMap<&'static str, (usize, usize)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read(include_str!("../tables/invariants.tsv")));

fn read(table: &'static str) -> Table {
    let mut made = Table { rules: Vec::new(), by_owner: HashMap::new() };
    let mut owner = "";
    for line in table.lines() {
        if let Some(name) = line.strip_prefix('@') {
            owner = name;
            continue;
        }
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (key, severity, expression, human) = (cell(), cell(), cell(), cell());
        let compiled = OnceLock::new();
        let at = made.rules.len();
        made.rules.push(Invariant { key, owner, is_error: severity == "E", expression, human, compiled });
        made.by_owner.entry(owner).or_insert((at, at)).1 = at + 1;
    }
    made
}

/// All of them.
pub fn all() -> &'static [Invariant] {
    &TABLE.rules
}

/// The rules of a type or element by its own name; what a type inherits is not among them.
pub fn of(owner: &str) -> &'static [Invariant] {
    match TABLE.by_owner.get(owner) {
        Some((first, end)) => &TABLE.rules[*first..*end],
        None => &[],
    }
}

/// Hands over the rules of an element, beside those of its own type: `Organization.telecom`, and for what a type inherits
/// `DomainResource.contained`.
pub(crate) fn of_element(
    def: &'static TypeDef,
    element: &Element,
    rules: &mut dyn FnMut(&'static [Invariant]),
) {
    let mut known = Some(def);
    while let Some(own) = known {
        // Most types have none, and the name need not be made then.
        if OWNERS_OF_ELEMENTS.contains(own.name) {
            rules(of(&format!("{}.{}", own.name, element.name)));
        }
        known = type_of(own.base).filter(|base| !std::ptr::eq(*base, own));
    }
}

/// The types that have an element with rules of its own.
static OWNERS_OF_ELEMENTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let owners = TABLE.by_owner.keys().filter(|owner| type_of(owner).is_none());
    owners.filter_map(|owner| Some(owner.rsplit_once('.')?.0)).collect()
});

impl Invariant {
    /// The compiled condition. The error cannot be for the table as it is: a test compiles all of it.
    pub fn compiled(&'static self) -> Result<&'static Expression, &'static SyntaxError> {
        self.compiled.get_or_init(|| Expression::compile(self.expression, &self.on())).as_ref()
    }

    /// What it is evaluated on.
    fn on(&self) -> On {
        if let Some(on) = On::the(self.owner) {
            return on;
        }
        let of_element = self.owner.rsplit_once('.').and_then(|(owner, name)| {
            let element = type_of(owner)?.element(name)?;
            let names: Vec<&str> = element.types.iter().map(|of| of.name).collect();
            On::any_of(&names)
        });
        of_element.unwrap_or_else(On::anything)
    }
}
