//! OperationOutcome: what went wrong, in FHIR's words.

use crate::json::{Json, Object};
use crate::validate::Issue;

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Severity {
    Fatal,
    Error,
    Warning,
    Information,
}

impl Severity {
    /// The code in the value set `issue-severity`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// An OperationOutcome in the making. It always ends with at least one issue: a new one has its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    issues: Vec<OutcomeIssue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct OutcomeIssue {
    severity: Severity,
    code: &'static str,
    details: Option<String>,
    diagnostics: String,
    expression: Vec<String>,
}

impl Outcome {
    /// An outcome with one issue. `code` is of the value set `issue-type`; `diagnostics` must hold no patient data.
    pub fn new(severity: Severity, code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self { issues: Vec::new() }.and(severity, code, diagnostics)
    }

    /// An outcome with one error.
    pub fn error(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, diagnostics)
    }

    /// The outcome of a validation; `All OK` when there are no issues.
    pub fn of_issues(issues: &[Issue]) -> Self {
        if issues.is_empty() {
            return Self::new(Severity::Information, "informational", "All OK");
        }
        let issues = issues.iter().map(|issue| OutcomeIssue {
            severity: issue.severity,
            code: issue.code.name(),
            details: None,
            diagnostics: issue.what.clone(),
            expression: vec![issue.path.clone()],
        });
        Self { issues: issues.collect() }
    }

    /// The same outcome with a further issue.
    #[must_use]
    pub fn and(mut self, severity: Severity, code: &'static str, diagnostics: impl Into<String>) -> Self {
        self.issues.push(OutcomeIssue {
            severity,
            code,
            details: None,
            diagnostics: diagnostics.into(),
            expression: Vec::new(),
        });
        self
    }

    /// Says where the last issue is: a FHIRPath into the resource, or `http.` and the name of a parameter or header.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        if let Some(issue) = self.issues.last_mut() {
            issue.expression.push(expression.into());
        }
        self
    }

    /// Says of each issue by its code and its diagnostics what people read (`details.text`), where there is something to say.
    #[must_use]
    pub fn explained(mut self, text: impl Fn(&str, &str) -> Option<String>) -> Self {
        for issue in &mut self.issues {
            issue.details = text(issue.code, &issue.diagnostics);
        }
        self
    }

    /// The resource.
    pub fn tree(&self) -> Object {
        let issues = self.issues.iter().map(|issue| {
            let mut tree = Object::with_capacity(5);
            tree.set("severity", issue.severity.name());
            tree.set("code", issue.code);
            if let Some(text) = &issue.details {
                let details: Object = [("text", told(text))].into_iter().collect();
                tree.set("details", details);
            }
            if !issue.diagnostics.is_empty() {
                tree.set("diagnostics", told(&issue.diagnostics));
            }
            if !issue.expression.is_empty() {
                tree.set("expression", issue.expression.iter().map(|place| told(place)).collect::<Vec<_>>());
            }
            Json::Object(tree)
        });
        let mut tree = Object::with_capacity(2);
        tree.set("resourceType", "OperationOutcome");
        tree.set("issue", issues.collect::<Vec<_>>());
        tree
    }

    /// The resource's text.
    pub fn text(&self) -> String {
        Json::Object(self.tree()).to_text()
    }
}

/// The longest text that is told, in characters. What a client calls a parameter may be as long as an address.
const LONGEST: usize = 2_000;

/// A text as FHIR allows it (R4B §2.24.0.1, `string`), whatever names of a client stand in it: control characters are replaced, and
/// what is too long is cut.
fn told(text: &str) -> Json {
    let allowed = |c: char| if c.is_control() && !matches!(c, '\t' | '\n' | '\r') { '\u{fffd}' } else { c };
    let cut = text.char_indices().nth(LONGEST).map(|(at, _)| at);
    let mut told: String = text[..cut.unwrap_or(text.len())].chars().map(allowed).collect();
    if cut.is_some() {
        told.push('…');
    }
    Json::string(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_client_calls_a_thing_the_outcome_is_a_valid_resource() {
        for name in ["\u{0}\u{1}\u{7f}", &"x".repeat(2 << 20), "王\u{85}"] {
            let outcome =
                Outcome::error("not-supported", format!("`{name}` is not known")).at(format!("http.{name}"));
            assert_eq!(crate::validate(&outcome.tree()), []);
            let echo = |_: &str, english: &str| Some(english.to_owned());
            assert_eq!(crate::validate(&outcome.explained(echo).tree()), []);
        }
    }

    #[test]
    fn an_outcome_is_a_valid_resource() {
        let outcome = Outcome::error("not-found", "no such resource")
            .and(Severity::Warning, "processing", "slow")
            .at("http._count");
        assert_eq!(crate::validate(&outcome.tree()), []);
        assert_eq!(crate::validate(&outcome.explained(|_, _| Some("未找到".to_owned())).tree()), []);
        assert_eq!(crate::validate(&Outcome::of_issues(&[]).tree()), []);
    }

    #[test]
    fn the_issues_of_a_validation_keep_their_places() {
        let patient = crate::json::parse(r#"{"resourceType":"Patient","gender":"m"}"#).unwrap();
        let outcome = Outcome::of_issues(&crate::validate(patient.as_object().unwrap()));
        assert!(outcome.text().contains(r#""code":"code-invalid""#));
        assert!(outcome.text().contains(r#""expression":["Patient.gender"]"#));
    }
}
