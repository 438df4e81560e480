//! The log: sentences with fields, to standard error, as text or JSON. Content never reaches it.

use anyhow::Context;
use time::macros::format_description;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

use crate::settings::{Log, LogFormat};

/// Libraries that tell much of themselves, and by what they are named by who wants to hear it: the scheduler's of its workers at each
/// start, the client of NATS of everything it asks for.
const QUIET: [(&str, &str); 2] = [("apalis", "apalis_core"), ("async_nats", "async_nats")];

/// Begins to log.
pub fn start(settings: &Log) -> anyhow::Result<()> {
    let quiet = QUIET.iter().filter(|(named, _)| !settings.level.contains(named));
    let level = quiet.fold(settings.level.clone(), |level, (_, library)| format!("{level},{library}=warn"));
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("the setting `log.level` cannot be read: `{}`", settings.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(
        UtcTime::new(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        )),
    );
    let started = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).try_init()
        }
    };
    started.map_err(|error| anyhow::anyhow!("the log could not be started: {error}"))
}

/// Lets a fault of the program say where it is and never with what: the text of a panic may hold a piece of a message.
pub fn panics_without_content() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, thread, "A fault of the program; what it was about is not written down.");
        } else {
            eprintln!("a fault of the program at {place}; please report it");
        }
    }));
}
