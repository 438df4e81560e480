//! `huitong token`: a short-lived access token, for whoever can read the data folder.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use hub_auth::local::LocalTokens;
use time::{Duration, OffsetDateTime};

use crate::cli::{Global, TokenArguments};
use crate::out;
use crate::settings::Settings;

/// Prints one.
pub fn run(global: &Global, arguments: &TokenArguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    let tokens = LocalTokens::open(&settings.data_dir, Arc::new(OffsetDateTime::now_utc))
        .context("the hub makes its data folder when it runs first")?;
    let lives = Duration::minutes(arguments.minutes.into());
    let token = tokens.token(arguments.role, arguments.is.as_ref(), lives);
    out::line(format_args!("{}", token.context("no token can be made for this")?));
    Ok(ExitCode::SUCCESS)
}
