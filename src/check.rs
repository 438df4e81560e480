//! `huitong check`: lints settings, channels, mappings and code tables; every finding at once.

use std::process::ExitCode;

use hub_core::finding::{Finding, FindingKind};
use serde_json::json;

use crate::cli::{CheckArguments, Global};
use crate::settings::{Settings, WrongSettings};
use crate::{EXIT_WRONG_FILES, hub, init, paint};

/// So many unused files are named.
const MOST_NAMED: usize = 3;

/// Lints everything.
pub fn run(global: &Global, arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let loaded = Settings::read(global).and_then(|settings| hub::load(global, &settings));
    let loaded = match loaded {
        Err(error) if arguments.json && error.is::<WrongSettings>() => {
            let finding = json!({ "kind": "settings", "severity": "error", "message": format!("{error:#}") });
            println!("{finding}");
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
        other => other?,
    };
    match loaded {
        Ok(project) => {
            print(&project.warnings, arguments.json);
            if !arguments.json {
                let tests: usize = project.channels.iter().map(|channel| channel.tests.len()).sum();
                let channels = project.channels.len();
                println!(
                    "{}: {channels} channel{}, {tests} channel test{}; no errors",
                    paint::good("ok"),
                    plural(channels),
                    plural(tests)
                );
                if channels == 0 {
                    println!(
                        "a channel is a file SYSTEM/FLOW.toml below {}",
                        global.root.join("channels").display()
                    );
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(findings) => {
            print(&findings, arguments.json);
            Ok(ExitCode::from(EXIT_WRONG_FILES))
        }
    }
}

/// Prints findings: to standard error for people, to standard output for scripts.
pub fn print(findings: &[Finding], json: bool) {
    if json {
        for finding in findings {
            println!("{}", hub_spec::to_json(finding));
        }
        return;
    }
    let (unused, told): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.kind == FindingKind::Unused);
    for finding in &told {
        eprintln!("{}\n", painted(finding));
    }
    // A project holds parts and tables for channels to come: those that come with the hub are not news, others are
    // named in one breath.
    let unused: Vec<&Finding> = unused.into_iter().filter(|finding| !init::brings(&finding.file)).collect();
    if !unused.is_empty() {
        let files: Vec<String> = unused.iter().map(|finding| finding.file.display().to_string()).collect();
        let head = format!("warning[{}]", FindingKind::Unused.name());
        eprintln!(
            "{}: no channel uses {}{}\n",
            paint::warning(head),
            files.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", "),
            match files.len().saturating_sub(MOST_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more (`huitong check --json` names them)"),
            }
        );
    }
    if !told.is_empty() {
        let findings = told;
        let files: std::collections::BTreeSet<_> = findings.iter().map(|finding| &finding.file).collect();
        let (count, files) = (findings.len(), files.len());
        eprintln!(
            "{}",
            paint::strong(format!("{count} finding{} in {files} file{}", plural(count), plural(files)))
        );
    }
}

/// The finding, with its first word painted: `error[mapping-missing]`.
fn painted(finding: &Finding) -> String {
    let text = finding.to_string();
    match text.split_once(':') {
        Some((head, rest)) if head.starts_with("warning") => format!("{}:{rest}", paint::warning(head)),
        Some((head, rest)) => format!("{}:{rest}", paint::error(head)),
        None => text,
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
