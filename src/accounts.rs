//! `huitong account`, `huitong client` and `huitong audit`: who may sign in at the running hub, and whether its trail is whole.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hub_core::who::Role;
use serde_json::{Value, json};

use crate::cli::{AccountCommand, ClientCommand, Global, NamedArguments, Who};
use crate::client::Client;
use crate::out;

/// Invites, disables, enables.
pub async fn account(global: &Global, command: AccountCommand) -> anyhow::Result<ExitCode> {
    let hub = Client::new(global)?;
    match command {
        AccountCommand::Invite(given) => {
            let (roles, is) = (names(&given.role), given.is.map(|is| is.to_string()));
            let body = json!({ "number": given.number, "roles": roles, "is": is });
            let answer = hub.post("accounts/invite", &body).await?;
            let address = answer["address"].as_str().context("the hub's answer has no address")?;
            out::line(format_args!("{address}"));
        }
        AccountCommand::Disable(named) => drop(hub.post("accounts/disable", &body_of(named)).await?),
        AccountCommand::Enable(named) => drop(hub.post("accounts/enable", &body_of(named)).await?),
    }
    Ok(ExitCode::SUCCESS)
}

fn names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.name()).collect()
}

fn body_of(named: NamedArguments) -> Value {
    match (named.staff, named.phone) {
        (Some(number), _) => json!({ "staff": number }),
        (None, phone) => json!({ "phone": phone }),
    }
}

/// Registers and disables clients.
pub async fn client(global: &Global, command: ClientCommand) -> anyhow::Result<ExitCode> {
    let hub = Client::new(global)?;
    match command {
        ClientCommand::App(given) => {
            let people = match given.who {
                Who::Patients => "patients",
                Who::Staff => "staff",
            };
            let keys = given.keys.as_deref().map(keys).transpose()?;
            let (id, name, redirects) = (given.id, given.name, given.redirect);
            let body =
                json!({ "id": id, "name": name, "people": people, "redirects": redirects, "keys": keys });
            hub.post("clients/app", &body).await?;
        }
        ClientCommand::System(given) => {
            let (roles, is) = (names(&given.role), given.is.map(|is| is.to_string()));
            let (id, name, keys) = (given.id, given.name, keys(&given.keys)?);
            let body = json!({ "id": id, "name": name, "roles": roles, "is": is, "keys": keys });
            hub.post("clients/system", &body).await?;
        }
        ClientCommand::Disable { id } => drop(hub.post("clients/disable", &json!({ "id": id })).await?),
    }
    Ok(ExitCode::SUCCESS)
}

fn keys(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// Looks whether the audit trail is whole.
pub async fn audit(global: &Global, json: bool) -> anyhow::Result<ExitCode> {
    let report = Client::new(global)?.get("audit", &[]).await?;
    let wrong = report["wrong"].as_u64().unwrap_or(1);
    if json {
        out::line(format_args!("{report}"));
    } else {
        let count = |name: &str| report[name].as_u64().unwrap_or_default();
        out::line(format_args!("accesses: {}, chains: {}", count("events"), count("chains")));
        out::line(format_args!("newest: {}", report["newest"].as_str().unwrap_or("none")));
        for fault in report["faults"].as_array().into_iter().flatten() {
            out::line(format_args!("  {}", fault.as_str().unwrap_or_default()));
        }
        match wrong {
            0 => out::line(format_args!("The trail is whole.")),
            wrong => out::line(format_args!("The trail is not whole: {wrong} faults.")),
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
