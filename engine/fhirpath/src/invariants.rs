//! The invariants of R4B's own definitions: 239 keys, from `tables/invariants.tsv`, each expression compiled at its first use.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use hub_fhir::elements::{Element, TypeDef, type_names, type_of};

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

/// All rules there are to look at where a type stands: those of the type and of what it derives from, and those of its
/// elements beside the rules of their own types: `Organization.telecom`, `DomainResource.contained`.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) own: Vec<&'static Invariant>,
    /// Only the elements that have some.
    elements: Vec<(&'static Element, Vec<&'static Invariant>)>,
}

impl Plan {
    pub(crate) fn of_element(&self, element: &Element) -> &[&'static Invariant] {
        let found = self.elements.iter().find(|(known, _)| std::ptr::eq(*known, element));
        found.map(|(_, rules)| rules.as_slice()).unwrap_or_default()
    }
}

/// One for each type, by its name, made when it is first wanted.
static PLANS: LazyLock<HashMap<&'static str, OnceLock<Plan>>> =
    LazyLock::new(|| type_names().map(|name| (name, OnceLock::new())).collect());

/// The rules of a type and its elements.
pub(crate) fn plan(def: &'static TypeDef) -> &'static Plan {
    static NONE: Plan = Plan { own: Vec::new(), elements: Vec::new() };
    PLANS.get(def.name).map_or(&NONE, |plan| plan.get_or_init(|| make_plan(def)))
}

fn make_plan(def: &'static TypeDef) -> Plan {
    let mut line = vec![def];
    while let Some(base) =
        type_of(line[line.len() - 1].base).filter(|base| !line.iter().any(|own| own.name == base.name))
    {
        line.push(base);
    }
    let own = line.iter().flat_map(|own| of(own.name)).collect();
    let rules_of = |element: &Element| -> Vec<&'static Invariant> {
        line.iter().flat_map(|own| of(&format!("{}.{}", own.name, element.name))).collect()
    };
    let elements = def.elements.iter().map(|element| (element, rules_of(element)));
    // An element that is a backbone of its own has the rules with its type.
    let is_beside = |element: &Element| type_of(&format!("{}.{}", def.name, element.name)).is_none();
    let elements = elements.filter(|(element, rules)| !rules.is_empty() && is_beside(element)).collect();
    Plan { own, elements }
}

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
