//! Checks a resource against the structure of R4B and, when asked, against its invariants.

use hub_fhir::Object;
use hub_fhir::elements::{TypeDef, type_of};
use hub_fhir::outcome::Severity;
use hub_fhir::validate::{Issue, IssueCode, MAX_ISSUES};

use crate::environment::Environment;
use crate::expression::Expression;
use crate::invariants::{Invariant, of, of_element};
use crate::item::{Content, Node};
use crate::kind::Kind;
use crate::navigate::children_with_places;

/// Trees may be built by hand, so the reader's limit is kept here too.
const MAX_DEPTH: usize = 64;

/// "A resource should have narrative", which contained ones should not (R4B, References, "Contained Resources").
const NARRATIVE: &str = "dom-6";

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
/// `processing`; the limits of `environment` are for each rule. `%resource` and `%rootResource` are set for each
/// resource; a resolver, the moment and the Bundle are those of `environment`.
pub fn check_invariants<'a>(tree: &'a Object, environment: &Environment<'a>) -> Checked {
    let node = Node::resource(tree);
    let mut environment = environment.clone();
    environment.resource = Some(tree);
    environment.root_resource = Some(tree);
    let mut walk = Walk { checked: Checked::default(), environment };
    let place = Place { parent: None, name: node.kind.name().1, index: None, depth: 0 };
    walk.element(node, &place);
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
}

impl<'a> Walk<'a> {
    fn element(&mut self, node: Node<'a>, place: &Place<'_>) {
        if place.depth > MAX_DEPTH || self.checked.issues.len() >= MAX_ISSUES {
            return;
        }
        match node.kind {
            Kind::Complex(def) => self.of_type(def, node, place),
            _ => self.rules(of("Element"), node, place),
        }
        if let Some((def, element)) = node.place {
            of_element(def, element, &mut |rules| self.rules(rules, node, place));
        }
        children_with_places(&node, &mut |child, written, index| self.child(child, written, index, place));
    }

    /// A contained resource has its container as root; a resource in a Bundle or Parameters is its own.
    fn child(&mut self, child: Node<'a>, written: &str, index: Option<usize>, parent: &Place<'_>) {
        let place = Place { parent: Some(parent), name: written, index, depth: parent.depth + 1 };
        let Content::Object(tree) = child.content else { return self.element(child, &place) };
        if !child.is_resource() {
            return self.element(child, &place);
        }
        let (resource, root) = (self.environment.resource, self.environment.root_resource);
        self.environment.resource = Some(tree);
        if written != "contained" {
            self.environment.root_resource = Some(tree);
        }
        self.element(child, &place);
        (self.environment.resource, self.environment.root_resource) = (resource, root);
    }

    /// The rules of a type and of all it derives from.
    fn of_type(&mut self, def: &'static TypeDef, node: Node<'a>, place: &Place<'_>) {
        let mut known = Some(def);
        while let Some(own) = known {
            self.rules(of(own.name), node, place);
            known = type_of(own.base).filter(|base| !std::ptr::eq(*base, own));
        }
    }

    fn rules(&mut self, rules: &'static [Invariant], node: Node<'a>, place: &Place<'_>) {
        for rule in rules {
            if rule.key == NARRATIVE && place.name == "contained" {
                continue;
            }
            self.checked.looked_at += 1;
            match self.holds(rule, node) {
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

    fn holds(&self, rule: &'static Invariant, node: Node<'a>) -> Result<Option<bool>, String> {
        let compiled: &'static Expression = rule.compiled().map_err(ToString::to_string)?;
        compiled.truth(node, &self.environment).map_err(|error| error.to_string())
    }

    fn issue(&mut self, place: &Place<'_>, severity: Severity, code: IssueCode, what: String) {
        if self.checked.issues.len() < MAX_ISSUES {
            self.checked.issues.push(Issue { path: place.text(), what, code, severity });
        }
    }
}
