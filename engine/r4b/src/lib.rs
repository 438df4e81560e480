//! A second opinion on R4B: resources read and written by the typed models of fhir-sdk, and compared.
//!
//! fhir-sdk drops what it does not understand (an unknown element, a choice in a wrong form) without a word. So what
//! comes back out is compared with what went in, and every path that was lost or changed is a problem. The validator
//! of hub-fhir stands alone and is fast; this is the independent check of it, and of what mappings make.
//!
//! Invariant: this is the only crate that calls serde on fhir-sdk's types, through functions without type
//! parameters, so that their code (minutes of compiling) is generated once.

mod compare;

use fhir_sdk::r4b::resources::Resource;
use hub_fhir::json;

/// Deserialising large enums takes deep stacks in debug builds, and callers' threads may be small.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Reads a resource as fhir-sdk's R4B model, writes it again and compares the two.
///
/// Every problem is a path and what became of it, never content. Numbers are compared by value: fhir-sdk does not
/// keep `1.10` apart from `1.1`. Runs on a thread of its own, for tens of microseconds and more: not for hot paths.
pub fn check(json_text: &str) -> Result<(), Vec<String>> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("r4b-check".to_owned()).stack_size(STACK_BYTES);
        let thread = builder
            .spawn_scoped(scope, || check_here(json_text))
            .map_err(|_| vec!["no thread for the check".to_owned()])?;
        thread.join().unwrap_or_else(|_| Err(vec!["the typed model gave up on the resource".to_owned()]))
    })
}

fn check_here(json_text: &str) -> Result<(), Vec<String>> {
    let given = json::parse(json_text).map_err(|error| vec![error.to_string()])?;
    let typed: Resource = serde_json::from_str(json_text).map_err(|error| vec![unreadable(&error)])?;
    let written = serde_json::to_string(&typed).map_err(|_| vec!["cannot be written again".to_owned()])?;
    let written = json::parse(&written)
        .map_err(|error| vec![format!("written as something that is no JSON: {error}")])?;
    let problems = compare::problems(&given, &written);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What serde says, without what may be content: of its messages only the names of missing fields are ours.
fn unreadable(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (missing, error.line()) {
        (Some(field), _) => format!("`{field}` is missing"),
        (None, 0) => "a value does not fit its type".to_owned(),
        (None, line) => format!("line {line}, column {}: a value does not fit its type", error.column()),
    }
}
