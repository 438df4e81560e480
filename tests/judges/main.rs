//! Clients and models of FHIR by others judge the running hub, on both databases: each does a program of its own (see docs/conformance.md).
//!
//! They are installed once, at the versions that are pinned beside this file, into a folder below `target`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at what it did not expect, and says what it saw"
)]

#[path = "../harness/mod.rs"]
mod harness;
mod oauth;
mod simulators;
mod tools;

use std::process::Command;

use harness::{Hub, Setup};

/// One judge: a program, and what it is told after the address of the server.
struct Judge {
    program: Command,
    more: Vec<String>,
}

impl Judge {
    /// A script of `tests/judges/javascript`.
    fn javascript(script: &str) -> Option<Self> {
        let folder = tools::javascript()?;
        let mut program = Command::new("node");
        program.arg(folder.join(script)).current_dir(folder);
        Some(Self { program, more: Vec::new() })
    }

    /// A script of `tests/judges/python`.
    fn python(script: &str) -> Option<Self> {
        let mut program = Command::new(tools::python()?);
        program.arg(tools::of_the_project("python").join(script));
        Some(Self { program, more: Vec::new() })
    }

    /// Has it judge a hub on SQLite, then one on PostgreSQL.
    async fn judges(mut self) {
        self.program.env("PYTHONDONTWRITEBYTECODE", "1");
        let database = harness::postgres::shared().database();
        let postgres = Setup::default().set(format!("store.database={database}"));
        for setup in [Setup::default(), postgres] {
            let hub = Hub::start(&setup).await;
            let mut program = Command::new(self.program.get_program());
            program.args(self.program.get_args()).arg(format!("{}/fhir", hub.http())).args(&self.more);
            if let Some(folder) = self.program.get_current_dir() {
                program.current_dir(folder);
            }
            let told = tokio::task::spawn_blocking(move || program.output()).await.unwrap().unwrap();
            let said = String::from_utf8_lossy(&told.stdout);
            println!("{said}");
            let wrong = String::from_utf8_lossy(&told.stderr);
            assert!(told.status.success(), "{:?}: {}\n{said}\n{wrong}", setup.settings, told.status);
            // A judge that found nothing to judge has not judged.
            assert!(!said.trim().is_empty(), "the judge said nothing:\n{wrong}");
            hub.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fhir_kit_client_finds_what_it_wrote() {
    if let Some(judge) = Judge::javascript("fhir-kit-client.mjs") {
        judge.judges().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_smart_apps_follows_pages_and_references() {
    if let Some(judge) = Judge::javascript("fhirclient.mjs") {
        judge.judges().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fhirpy_searches_and_writes_as_it_is_used_to() {
    if let Some(judge) = Judge::python("client.py") {
        judge.judges().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_fhir_resources_read_every_answer() {
    if let Some(mut judge) = Judge::python("models.py") {
        let corpus = harness::corpus().map(|corpus| corpus.join("fhir-examples/r4b"));
        judge.more.extend(corpus.map(|folder| folder.display().to_string()));
        judge.judges().await;
    }
}
