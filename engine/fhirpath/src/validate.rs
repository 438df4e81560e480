//! Checks a resource against the structure of R4B and, when asked, against its invariants.

use hub_fhir::Object;
use hub_fhir::elements::type_of;
use hub_fhir::outcome::Severity;
use hub_fhir::validate::{Issue, IssueCode, MAX_ISSUES};

use crate::environment::Environment;
use crate::expression::Expression;
use crate::invariants::{Invariant, plan};
use crate::item::{Content, Item, Node};
use crate::kind::Kind;
use crate::navigate::children_with_places;

/// Trees may be built by hand, so the reader's limit is kept here too.
const MAX_DEPTH: usize = 64;

/// "A resource should have narrative", which contained ones should not (R4B, References, "Contained Resources").
const NARRATIVE: &str = "dom-6";

/// "An element has a value or children": the rule of every element, and of most the only one.
const ELEMENT: &str = "ele-1";
/// All rules together may take as many steps as so many of them.
const RULES_FOR_ALL: u64 = 10;

/// What came of looking at the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong, as far as 100 things.
    pub issues: Vec<Issue>,
    /// How many rules were looked at, each at each element it is a rule of.
    pub looked_at: usize,
    /// How many of them had an empty answer: it is not known whether they hold.
    pub unanswered: usize,
}

/// What is wrong with a resource: first its structure ([`hub_fhir::validate`]), then, where that is right, the rules of
/// R4B that it breaks ([`check_invariants`]): they are written for resources of the right form.
pub fn validate<'a>(tree: &'a Object, environment: &Environment<'a>) -> Vec<Issue> {
    let issues = hub_fhir::validate(tree);
    if issues.is_empty() { check_invariants(tree, environment).issues } else { issues }
}

/// The rules of R4B that a resource of the right structure breaks, with it those within it.
///
/// A rule is broken when its condition is false; one whose answer is empty, as where dates cannot be compared, is not.
/// Rules of severity `warning` are issues of that severity. A rule that cannot be evaluated is a warning of code
/// `processing`; the limits of `environment` are for each rule, and all together may take ten times as many steps. `%resource` and `%rootResource` are set for each
/// resource; a resolver, the moment and the Bundle are those of `environment`.
pub fn check_invariants<'a>(tree: &'a Object, environment: &Environment<'a>) -> Checked {
    let node = Node::resource(tree);
    let mut environment = environment.clone();
    environment.resource = Some(tree);
    environment.root_resource = Some(tree);
    let steps = environment.limits.steps.saturating_mul(RULES_FOR_ALL);
    let mut walk = Walk { checked: Checked::default(), environment, steps };
    let place = Place { parent: None, name: node.kind.name().1, index: None, depth: 0 };
    walk.element(node, &place, &[]);
    walk.checked
}

/// A place in the tree, as a chain up to the resource; becomes text only when something is wrong there.
struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
    depth: usize,
}

impl Place<'_> {
    fn text(&self) -> String {
        let mut text = self.parent.map_or_else(String::new, |parent| parent.text() + ".");
        text.push_str(self.name);
        if let Some(index) = self.index {
            text.push_str(&format!("[{index}]"));
        }
        text
    }
}

struct Walk<'a> {
    checked: Checked,
    environment: Environment<'a>,
    /// What is left for all rules.
    steps: u64,
}

impl<'a> Walk<'a> {
    /// `beside`: the rules the element has in the type it stands in.
    fn element(&mut self, node: Node<'a>, place: &Place<'_>, beside: &[&'static Invariant]) {
        if place.depth > MAX_DEPTH || self.checked.issues.len() >= MAX_ISSUES || self.steps == 0 {
            return;
        }
        let element = || type_of("Element").expect("`Element` is in the table of types");
        let plan = match node.kind {
            Kind::Complex(def) => plan(def),
            _ => plan(element()),
        };
        self.rules(&plan.own, node, place);
        self.rules(beside, node, place);
        children_with_places(&node, &mut |child, written, index| {
            let beside = child.place.map(|(_, element)| plan.of_element(element)).unwrap_or_default();
            self.child(child, written, index, place, beside);
        });
    }

    /// A contained resource has its container as root; a resource in a Bundle or Parameters is its own.
    fn child(
        &mut self,
        child: Node<'a>,
        written: &str,
        index: Option<usize>,
        parent: &Place<'_>,
        beside: &[&'static Invariant],
    ) {
        let place = Place { parent: Some(parent), name: written, index, depth: parent.depth + 1 };
        let Content::Object(tree) = child.content else { return self.element(child, &place, beside) };
        if !child.is_resource() {
            return self.element(child, &place, beside);
        }
        let (resource, root) = (self.environment.resource, self.environment.root_resource);
        self.environment.resource = Some(tree);
        if written != "contained" {
            self.environment.root_resource = Some(tree);
        }
        self.element(child, &place, beside);
        (self.environment.resource, self.environment.root_resource) = (resource, root);
    }

    fn rules(&mut self, rules: &[&'static Invariant], node: Node<'a>, place: &Place<'_>) {
        for rule in rules {
            if rule.key == NARRATIVE && place.name == "contained" {
                continue;
            }
            if self.steps == 0 {
                return;
            }
            self.checked.looked_at += 1;
            let held = self.holds(rule, node);
            if self.steps == 0 {
                let what = "the rules take too long on this resource: not all were looked at";
                return self.issue(place, Severity::Warning, IssueCode::TooLong, what.to_owned());
            }
            match held {
                Ok(Some(true)) => {}
                Ok(None) => self.checked.unanswered += 1,
                Ok(Some(false)) => {
                    let severity = if rule.is_error { Severity::Error } else { Severity::Warning };
                    self.issue(
                        place,
                        severity,
                        IssueCode::Invariant,
                        format!("{}: {}", rule.key, rule.human),
                    );
                }
                Err(what) => {
                    let what = format!("{} could not be evaluated: {what}", rule.key);
                    self.issue(place, Severity::Warning, IssueCode::Processing, what);
                }
            }
        }
    }

    fn holds(&mut self, rule: &'static Invariant, node: Node<'a>) -> Result<Option<bool>, String> {
        if rule.key == ELEMENT && is_plainly_an_element(&node) {
            self.steps = self.steps.saturating_sub(1);
            return Ok(Some(true));
        }
        let compiled: &'static Expression = rule.compiled().map_err(ToString::to_string)?;
        let (truth, steps) = compiled.truth_and_steps(node, &self.environment);
        self.steps = self.steps.saturating_sub(steps);
        truth.map_err(|error| error.to_string())
    }

    fn issue(&mut self, place: &Place<'_>, severity: Severity, code: IssueCode, what: String) {
        if self.checked.issues.len() < MAX_ISSUES {
            self.checked.issues.push(Issue { path: place.text(), what, code, severity });
        }
    }
}

/// Whether ele-1 holds without evaluating it: a primitive with a value of its form, or an object of more than an id.
fn is_plainly_an_element(node: &Node<'_>) -> bool {
    match node.content {
        Content::Primitive { .. } => Item::Node(*node).system().is_some(),
        Content::Object(object) => object.iter().any(|(name, value)| {
            let is_child = node.kind.has_member(name) && name != "id";
            is_child && !matches!(value, hub_fhir::Json::Null)
        }),
    }
}
