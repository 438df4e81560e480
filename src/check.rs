//! `huitong check`: lints settings, channels, mappings and code tables; every finding at once.

use std::process::ExitCode;

use hub_core::finding::Finding;

use crate::cli::{CheckArguments, Global};
use crate::settings::Settings;
use crate::{EXIT_WRONG_FILES, hub, paint};

/// Lints everything.
pub fn run(global: &Global, arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let settings = match Settings::read(global) {
        Ok(settings) => settings,
        Err(error) => {
            print_settings_error(&error);
            return Ok(ExitCode::from(EXIT_WRONG_FILES));
        }
    };
    match hub::load(global, &settings)? {
        Ok(project) => {
            print(&project.warnings, arguments.json);
            if !arguments.json {
                let tests: usize = project.channels.iter().map(|channel| channel.tests.len()).sum();
                println!(
                    "{}: {} channels, {tests} channel tests; no errors",
                    paint::good("ok"),
                    project.channels.len()
                );
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
    for finding in findings {
        if json {
            println!("{}", hub_spec::to_json(finding));
        } else {
            eprintln!("{finding}\n");
        }
    }
    if !json && !findings.is_empty() {
        let files: std::collections::BTreeSet<_> = findings.iter().map(|finding| &finding.file).collect();
        let (count, files) = (findings.len(), files.len());
        eprintln!(
            "{}",
            paint::strong(format!("{count} finding{} in {files} file{}", plural(count), plural(files)))
        );
    }
}

/// Prints what is wrong with the settings.
pub fn print_settings_error(error: &anyhow::Error) {
    eprintln!("{}[settings]: {error:#}", paint::error("error"));
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
