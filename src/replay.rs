//! `huitong replay`: processes messages again with the mapping of now.

mod foreseen;
mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Map, Value, json};

use crate::cli::{BegunReplay, Global, NewReplay, ReplayArguments};
use crate::client::Client;
use crate::table::{hint, items, number, text};

/// How long the prompt waits for a replay to end.
const WAIT: Duration = Duration::from_secs(10);
/// How often it is asked how a replay stands.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// The same for somebody who watches it.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Asks the running hub to replay, or how a replay stands.
pub async fn run(global: &Global, arguments: ReplayArguments) -> anyhow::Result<ExitCode> {
    match arguments.begun {
        None => begin(global, arguments.new).await,
        Some(BegunReplay::Status { number, watch, json }) => status(global, number, watch, json).await,
        Some(BegunReplay::Pause { number }) => turn(global, number, "pause").await,
        Some(BegunReplay::Resume { number }) => turn(global, number, "resume").await,
        Some(BegunReplay::Stop { number }) => turn(global, number, "stop").await,
    }
}

async fn begin(global: &Global, new: NewReplay) -> anyhow::Result<ExitCode> {
    let order = order(&new)?;
    let client = Client::new(global)?;
    if new.dry_run {
        return foreseen::run(&client, &order, &new).await;
    }
    let begun = client.post("replays", &order).await?;
    let name = begun["number"].to_string();
    let started = Instant::now();
    let mut replay = begun;
    while text(&replay, "state") == "running" && started.elapsed() < WAIT {
        tokio::time::sleep(ASK_EVERY).await;
        replay = client.get(&format!("replays/{name}"), &[]).await?;
    }
    if new.json {
        println!("{replay}");
    } else {
        show::replay(&replay);
        if text(&replay, "state") == "running" {
            println!("it goes on in the hub:");
            println!("  huitong replay status {name} --watch");
        }
        if number(&replay["messages"], "set_aside") > 0 {
            hint("  huitong messages --state quarantined   shows what is set aside");
        }
    }
    Ok(if number(&replay["messages"], "left") > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the hub is asked for.
fn order(new: &NewReplay) -> anyhow::Result<Value> {
    let mut order = match (new.ids.is_empty(), new.filter.is_empty()) {
        (false, true) if new.limit.is_some() => bail!("--limit goes with a filter, not with ids"),
        (false, true) => json!({ "ids": new.ids }),
        (true, false) => {
            let filter: Map<String, Value> =
                new.filter.pairs().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            json!({ "filter": filter })
        }
        (true, true) => {
            bail!("name messages by id, or by a filter such as --state quarantined --channel his/adt")
        }
        (false, false) => bail!("name messages by id or by a filter, not both"),
    };
    if let Some(limit) = new.limit {
        order["limit"] = limit.into();
    }
    order["newer"] = if new.force { "overwrite" } else { "protect" }.into();
    order["parcels"] = match (new.resend, new.no_parcels) {
        (true, _) => "again",
        (_, true) => "never",
        _ => "once",
    }
    .into();
    order["rate"] = new.rate.into();
    if new.dry_run {
        order["dry_run"] = true.into();
        order["show"] = new.show.into();
    }
    Ok(order)
}

async fn status(global: &Global, number: Option<u64>, watch: bool, json: bool) -> anyhow::Result<ExitCode> {
    let client = Client::new(global)?;
    let Some(number) = number else {
        let all = client.get("replays", &[]).await?;
        if json {
            println!("{all}");
        } else if items(&all, "replays").is_empty() {
            println!("there has been no replay");
        } else {
            show::list(items(&all, "replays"));
        }
        return Ok(ExitCode::SUCCESS);
    };
    loop {
        let replay = client.get(&format!("replays/{number}"), &[]).await?;
        let goes_on = matches!(text(&replay, "state"), "running" | "paused");
        if json {
            println!("{replay}");
        } else if watch && goes_on {
            show::line(&replay);
        } else {
            show::replay(&replay);
        }
        if !watch || !goes_on {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(SHOW_EVERY).await;
    }
}

async fn turn(global: &Global, number: u64, turn: &str) -> anyhow::Result<ExitCode> {
    let replay = Client::new(global)?.post(&format!("replays/{number}/{turn}"), &json!({})).await?;
    show::replay(&replay);
    Ok(ExitCode::SUCCESS)
}
