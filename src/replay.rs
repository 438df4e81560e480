//! `huitong replay`: processes messages again with the mapping of now.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::cli::{Global, ReplayArguments};
use crate::client::Client;
use crate::paint;

/// Asks the running hub to replay.
pub async fn run(global: &Global, arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    let body = match (arguments.ids.is_empty(), arguments.filter.is_empty()) {
        (false, true) => json!({ "ids": arguments.ids }),
        (true, false) => {
            let filter: Map<String, Value> = arguments
                .filter
                .pairs()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            json!({ "filter": filter, "limit": arguments.limit })
        }
        (true, true) => {
            bail!("name messages by id, or by a filter such as --state quarantined --channel his/adt")
        }
        (false, false) => bail!("name messages by id or by a filter, not both"),
    };
    let report = Client::new(global)?.post("replay", &body).await?;
    if arguments.json {
        println!("{report}");
    } else {
        let count = |name: &str| report[name].as_array().map_or(0, Vec::len);
        println!("{} put back to be processed again", paint::good(count("replayed")));
        if count("replayed") > 0 {
            println!(
                "{}",
                paint::dim("  huitong messages --state quarantined   shows what is set aside again")
            );
        }
        if count("left") > 0 {
            println!("{} left alone: not there, or not ended yet", paint::warning(count("left")));
        }
    }
    let some_left = report["left"].as_array().is_some_and(|left| !left.is_empty());
    Ok(if some_left { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
