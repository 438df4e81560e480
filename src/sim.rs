//! `huitong sim`: one simulator, as a program of its own. The demo starts all of them by the same words.

use std::process::ExitCode;

use anyhow::{Context, bail};
use connector_his::sim::{Fault, Report, Sending};
use time::{OffsetDateTime, UtcOffset};
use tokio::sync::watch;

use crate::cli::{SimArguments, SimName};
use crate::{out, paint, stop};

/// Runs the simulator until it is told to stop or has sent its count.
pub async fn run(arguments: SimArguments) -> anyhow::Result<ExitCode> {
    let stopped = stop::on_signal()?;
    introduce(&arguments).await;
    let report = start(&arguments, stopped).await?;
    out::line(format_args!("{}", serde_json::to_string(&report)?));
    Ok(ExitCode::SUCCESS)
}

const HIS_TO: &str = "127.0.0.1:2575";
const HIS_CONTROL: &str = "127.0.0.1:2585";
const HIS_SERVICE: &str = "127.0.0.1:2581";
const LIS_TO: &str = "127.0.0.1:2576";
const LIS_LISTENS: &str = "127.0.0.1:2577";
const LIS_CONTROL: &str = "127.0.0.1:2586";
const NOTIFY_LISTENS: &str = "127.0.0.1:2580";
const BANK_LISTENS: &str = "127.0.0.1:2590";
const ESIGN_LISTENS: &str = "127.0.0.1:2592";
const SMS_LISTENS: &str = "127.0.0.1:2596";
const WECHAT_LISTENS: &str = "127.0.0.1:2597";
/// Where the hub takes the gateway's reports.
const SMS_RECEIPTS: &str = "http://127.0.0.1:2598/receipts/sms-receipts-word";

/// Says where the simulator sends and listens: on standard error, as its report goes to standard output.
async fn introduce(arguments: &SimArguments) {
    let (to, listens, control) = match arguments.name {
        SimName::His => (Some(HIS_TO), Some(HIS_SERVICE), HIS_CONTROL),
        SimName::Lis => (Some(LIS_TO), Some(LIS_LISTENS), LIS_CONTROL),
        SimName::Notify => {
            (None, Some(NOTIFY_LISTENS), arguments.listen.as_deref().unwrap_or(NOTIFY_LISTENS))
        }
        SimName::Bank => (None, Some(BANK_LISTENS), arguments.listen.as_deref().unwrap_or(BANK_LISTENS)),
        SimName::Esign => (None, Some(ESIGN_LISTENS), arguments.listen.as_deref().unwrap_or(ESIGN_LISTENS)),
        SimName::Sms => (None, Some(SMS_LISTENS), arguments.listen.as_deref().unwrap_or(SMS_LISTENS)),
        SimName::Wechat => {
            (None, Some(WECHAT_LISTENS), arguments.listen.as_deref().unwrap_or(WECHAT_LISTENS))
        }
    };
    let name = arguments.name.name();
    let to = to.map(|to| arguments.to.as_deref().unwrap_or(to));
    if let Some(to) = to {
        eprintln!("{name} sends to {to}, {} a second", arguments.rate);
    }
    if let Some(listens) = listens {
        eprintln!("{name} listens on {}", arguments.listen.as_deref().unwrap_or(listens));
    }
    eprintln!(
        "{name} is controlled at http://{}/__sim/status",
        arguments.control.as_deref().unwrap_or(control)
    );
    if let Some(to) = to
        && tokio::net::TcpStream::connect(to).await.is_err()
    {
        eprintln!("{}: nobody listens at {to} yet; it goes on trying", paint::warning("warning"));
    }
}

/// Runs a simulator until `stop` turns true or it has sent its count.
pub async fn start(arguments: &SimArguments, stop: watch::Receiver<bool>) -> anyhow::Result<Report> {
    let fault = arguments.fault.as_deref().map(fault).transpose()?;
    let address = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
    let sending = |target: &str| Sending {
        target: address(&arguments.to, target),
        rate_per_sec: arguments.rate,
        count: arguments.count,
        ..Sending::default()
    };
    let report = match arguments.name {
        SimName::His => {
            use connector_his::sim;
            let settings = sim::SimSettings {
                sending: sending(HIS_TO),
                seed: arguments.seed,
                start: now(),
                control: Some(address(&arguments.control, HIS_CONTROL)),
                fault,
                // A feed of so many messages ends with them; a hospital that is asked does not.
                service: (arguments.count == 0).then(|| sim::service::ServiceSettings {
                    listen: address(&arguments.listen, HIS_SERVICE),
                    seed: arguments.seed,
                    ..sim::service::ServiceSettings::default()
                }),
                ..sim::SimSettings::default()
            };
            sim::run(settings, stop).await
        }
        SimName::Lis => {
            use connector_lis::sim;
            let settings = sim::SimSettings {
                sending: sending(LIS_TO),
                seed: arguments.seed,
                start: now(),
                listen: Some(address(&arguments.listen, LIS_LISTENS)),
                control: Some(address(&arguments.control, LIS_CONTROL)),
                fault,
                ..sim::SimSettings::default()
            };
            sim::run(settings, stop).await
        }
        SimName::Bank => {
            use connector_bank::sim;
            let settings = sim::SimSettings {
                listen: address(&arguments.listen, BANK_LISTENS),
                seed: arguments.seed,
                ..sim::SimSettings::default()
            };
            sim::run(settings, stop).await
        }
        SimName::Esign => {
            use connector_esign::sim;
            let settings = sim::SimSettings {
                listen: address(&arguments.listen, ESIGN_LISTENS),
                seed: arguments.seed,
                ..sim::SimSettings::default()
            };
            sim::run(settings, stop).await
        }
        SimName::Sms => {
            use connector_notify::sim::sms;
            let settings = sms::SimSettings {
                listen: address(&arguments.listen, SMS_LISTENS),
                acs3_callback: Some(SMS_RECEIPTS.to_owned()),
                ..sms::SimSettings::default()
            };
            sms::run(settings, stop).await
        }
        SimName::Wechat => {
            use connector_notify::sim::wechat;
            let settings = wechat::SimSettings {
                listen: address(&arguments.listen, WECHAT_LISTENS),
                ..wechat::SimSettings::default()
            };
            wechat::run(settings, stop).await
        }
        SimName::Notify => {
            use connector_notify::sim;
            let settings = sim::SimSettings {
                listen: address(&arguments.listen, NOTIFY_LISTENS),
                fault,
                ..sim::SimSettings::default()
            };
            sim::run(settings, stop).await
        }
    };
    report.with_context(|| format!("the simulator `{}` could not run", arguments.name.name()))
}

fn fault(name: &str) -> anyhow::Result<Fault> {
    match Fault::ALL.into_iter().find(|fault| fault.name() == name) {
        Some(fault) => Ok(fault),
        None => {
            bail!("there is no fault `{name}`; expected one of {}", Fault::ALL.map(Fault::name).join(", "))
        }
    }
}

/// The hospital's time now. It is part of every control id, so that another run's messages are not taken for copies.
fn now() -> String {
    let beijing = UtcOffset::from_hms(8, 0, 0).expect("eight hours are an offset");
    let now = OffsetDateTime::now_utc().to_offset(beijing);
    let (date, clock) = (now.date(), now.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}
