//! `huitong demo`: the hub with simulators of all partners and living traffic, for a first look.

use std::process::ExitCode;

use hub_auth::manage::{App, register_app};
use hub_core::accounts::People;
use hub_fhir::Id;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::{DemoArguments, Global, SimArguments, SimName};
use crate::hub::RunningHub;
use crate::{EXIT_WRONG_FILES, out, paint, run, sim, stop};

/// Runs the hub and the simulators until told to stop.
pub async fn run(global: &Global, arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let mut stopped = stop::on_signal()?;
    let global = Global { simulates: true, ..global.clone() };
    let Some(running) = run::begin(&global, &arguments.run).await? else {
        return Ok(ExitCode::from(EXIT_WRONG_FILES));
    };
    register_apps(&running).await?;
    let (stop_simulators, simulators_stop) = watch::channel(false);
    let mut simulators = JoinSet::new();
    for name in [
        SimName::Notify,
        SimName::Lis,
        SimName::His,
        SimName::Bank,
        SimName::Esign,
        SimName::Sms,
        SimName::Wechat,
    ] {
        let channel = match name {
            SimName::His => Some("his/adt"),
            SimName::Lis => Some("lis/oru-r01"),
            SimName::Notify | SimName::Bank | SimName::Esign | SimName::Sms | SimName::Wechat => None,
        };
        let channel = channel.and_then(|id| running.hub.channel(&id.into()));
        let arguments = SimArguments {
            name,
            to: channel.and_then(|channel| channel.address()).map(|address| address.to_string()),
            listen: None,
            control: None,
            rate: arguments.rate,
            count: arguments.count,
            seed: arguments.seed,
            fault: None,
        };
        let stop = simulators_stop.clone();
        simulators.spawn(async move {
            if let Err(error) = sim::start(&arguments, stop).await {
                eprintln!("{}: {error:#}", paint::warning("warning"));
                eprintln!("  The hub runs on without it.");
            }
        });
    }
    run::say("HIS", "simulated: sends ADT; control http://127.0.0.1:2585/__sim/status");
    run::say("HIS service", "simulated: rosters, registration; control http://127.0.0.1:2581/__sim/status");
    run::say(
        "bank",
        "simulated: orders, a page to pay on, notices; control http://127.0.0.1:2590/__sim/status",
    );
    run::say("signing", "simulated: signs and seals documents; control http://127.0.0.1:2592/__sim/status");
    run::say("SMS", "simulated: sends texts; what it sent: http://127.0.0.1:2596/__sim/messages");
    run::say("WeChat", "simulated: sends messages; what it sent: http://127.0.0.1:2597/__sim/messages");
    run::say("LIS", "simulated: sends results, takes ADT; control http://127.0.0.1:2586/__sim/status");
    run::say("ward", "simulated: takes notices; control http://127.0.0.1:2580/__sim/status");
    if running.settings.http.open {
        run::say("open", "whoever is at this machine sees everything; in earnest: --set http.open=false");
    }
    out::line(format_args!("Stop with Ctrl-C. In another terminal:"));
    out::line(format_args!("  huitong status"));
    out::line(format_args!("  huitong messages --limit 5"));
    out::line(format_args!(
        "  curl -s 'http://{}/fhir/DiagnosticReport?_include=DiagnosticReport:patient&_count=2&_pretty=true'",
        running.http
    ));
    stop::wait(&mut stopped).await;
    stop_simulators.send_replace(true);
    while simulators.join_next().await.is_some() {}
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes the apps known that people try the demo with: `patient-demo` and `staff-demo`, which are sent back to the start page.
async fn register_apps(running: &RunningHub) -> anyhow::Result<()> {
    for (id, name, people) in
        [("patient-demo", "Huitong 汇通", People::Public), ("staff-demo", "Huitong 汇通", People::Staff)]
    {
        let redirects = vec![format!("http://{}/", running.http)];
        let app = App { id: Id::new(id)?, name: name.into(), people, redirects, keys: None };
        register_app(&*running.store, app, OffsetDateTime::now_utc()).await?;
    }
    Ok(())
}
