//! `huitong status`: how the running hub stands.

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::{Global, StatusArguments};
use crate::client::Client;
use crate::paint;

/// Shows channels and destinations.
pub async fn run(global: &Global, arguments: StatusArguments) -> anyhow::Result<ExitCode> {
    let status = Client::new(global)?.get("status", &[]).await?;
    if arguments.json {
        println!("{status}");
    } else {
        show(&status);
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn show(status: &Value) {
    println!("Huitong {}, running since {}", text(status, "version"), text(status, "started_at"));
    println!();
    println!(
        "{}",
        paint::strong(format!(
            "{:<16} {:<22} {:>9} {:>10} {:>9} {:>12}",
            "channel", "listens", "waiting", "committed", "filtered", "quarantined"
        ))
    );
    for channel in items(status, "channels") {
        let messages = &channel["messages"];
        let quarantined = format!("{:>12}", number(&messages["quarantined"]));
        let quarantined =
            if number(&messages["quarantined"]) > 0 { paint::warning(quarantined) } else { quarantined };
        let stopped = if channel["running"].as_bool().unwrap_or(false) {
            String::new()
        } else {
            paint::error("  stopped")
        };
        println!(
            "{:<16} {:<22} {:>9} {:>10} {:>9} {quarantined}{stopped}",
            text(channel, "id"),
            text(channel, "address"),
            number(&messages["received"]),
            number(&messages["committed"]),
            number(&messages["filtered"]),
        );
    }
    println!();
    println!(
        "{}",
        paint::strong(format!(
            "{:<28} {:<10} {:>9} {:>10} {:>9} {:>9}",
            "destination", "circuit", "owed", "delivered", "given up", "in doubt"
        ))
    );
    for destination in items(status, "destinations") {
        let parcels = &destination["parcels"];
        let circuit = format!("{:<10}", text(destination, "circuit"));
        let circuit = if circuit.starts_with("closed") { circuit } else { paint::error(circuit) };
        println!(
            "{:<28} {circuit} {:>9} {:>10} {:>9} {:>9}",
            text(destination, "id"),
            number(&parcels["pending"]),
            number(&parcels["delivered"]),
            number(&parcels["given_up"]),
            number(&parcels["in_doubt"]),
        );
        if let Some(error) = destination["last_error"]["message"].as_str() {
            println!("    {}", paint::dim(format!("{}: {error}", text(&destination["last_error"], "at"))));
        }
    }
}
