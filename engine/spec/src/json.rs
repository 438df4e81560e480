//! A finding as one line of JSON, for scripts and editors.

use hub_core::finding::Finding;
use serde::Serialize;

#[derive(Serialize)]
struct JsonFinding<'a> {
    kind: String,
    severity: &'static str,
    file: String,
    line: usize,
    column: usize,
    source: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// The finding as one line of JSON: `kind`, `severity` (`error` or `warning`), `file`, `line`, `column`, `source`, `message`
/// and, where there is any, `help`.
pub fn to_json(finding: &Finding) -> String {
    let json = JsonFinding {
        kind: finding.kind.name(),
        severity: finding.kind.severity(),
        file: finding.file.display().to_string(),
        line: finding.line,
        column: finding.column,
        source: &finding.source,
        message: &finding.message,
        help: finding.help.as_deref(),
    };
    serde_json::to_string(&json).expect("a struct of texts and numbers is always JSON")
}

#[cfg(test)]
mod tests {
    use hub_core::finding::FindingKind;

    use super::*;

    #[test]
    fn a_finding_is_one_line_with_its_quotes_escaped() {
        let text = "a = 1\n\tlane = \"x\"\n";
        let finding =
            Finding::at(FindingKind::UnknownKey, "channels/a.toml", text, 7..11, "unknown key `lane`")
                .help("did you mean `lane_by`?");
        assert_eq!(
            to_json(&finding),
            r#"{"kind":"unknown-key","severity":"error","file":"channels/a.toml","line":2,"column":2,"source":"\tlane = \"x\"","message":"unknown key `lane`","help":"did you mean `lane_by`?"}"#
        );
    }
}
