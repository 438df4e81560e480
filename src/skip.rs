//! `huitong skip`: sets messages aside at which a lane stands, so that those behind them go on.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{Global, SkipArguments};
use crate::client::Client;
use crate::paint;

/// Asks the running hub to skip.
pub async fn run(global: &Global, arguments: SkipArguments) -> anyhow::Result<ExitCode> {
    let report = Client::new(global)?.post("skip", &json!({ "ids": arguments.ids })).await?;
    let count = |name: &str| report[name].as_array().map_or(0, Vec::len);
    if arguments.json {
        println!("{report}");
    } else {
        println!("{} set aside; those behind go on", paint::good(count("skipped")));
        if count("left") > 0 {
            println!("{} left alone: no lane stands there", paint::warning(count("left")));
        }
    }
    Ok(if count("left") > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
