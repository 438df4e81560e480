//! `huitong retry`: puts parcels that were given up, or are in doubt, back into their queue.

use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::cli::{Global, RetryArguments};
use crate::client::Client;
use crate::paint;
use crate::table::{items, number, text};

/// Asks the running hub to try again.
pub async fn run(global: &Global, arguments: RetryArguments) -> anyhow::Result<ExitCode> {
    let client = Client::new(global)?;
    let retried = match (&arguments.parcel, &arguments.destination) {
        (Some(parcel), _) => put_back(&client, &json!({ "parcel": parcel })).await?,
        (None, Some(destination)) => put_all_back(&client, destination).await?,
        (None, None) => bail!("name a destination or a parcel"),
    };
    if arguments.json {
        println!("{}", json!({ "retried": retried }));
    } else if retried == 0 {
        println!("0 put back: nothing that was given up or is in doubt is there");
    } else {
        println!("{} put back into the queue; `huitong status` shows what comes of it", paint::good(retried));
    }
    // One that was named and is not there is a failure; an empty list of what was given up is none.
    let missed = arguments.parcel.is_some() && retried == 0;
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn put_back(client: &Client, which: &Value) -> anyhow::Result<u64> {
    let report = client.post("retry", which).await?;
    report["retried"].as_u64().context("the hub's answer has no `retried`")
}

/// The hub puts back some thousands at a time; no more are asked for than there were at the beginning, as what is put back may be
/// given up again meanwhile.
async fn put_all_back(client: &Client, destination: &str) -> anyhow::Result<u64> {
    let known = client.get("destinations", &[]).await?;
    let Some(found) = items(&known, "destinations").iter().find(|one| text(one, "id") == destination) else {
        let names: Vec<&str> = items(&known, "destinations").iter().map(|one| text(one, "id")).collect();
        // A misspelt destination has nothing to put back, and nobody would know.
        bail!("there is no destination `{destination}`; expected one of {}", names.join(", "));
    };
    let stuck = number(&found["parcels"], "given_up") + number(&found["parcels"], "in_doubt");
    let mut retried = 0;
    while retried < stuck {
        match put_back(client, &json!({ "destination": destination })).await? {
            0 => break,
            count => retried += count,
        }
    }
    Ok(retried)
}
