//! `huitong vacuum`: writes the database of a stopped hub anew, as small as it can be.

use std::process::ExitCode;

use anyhow::bail;

use crate::cli::Global;
use crate::paint;
use crate::settings::Settings;

/// Vacuums the data folder.
pub async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(global)?;
    if settings.store.database.is_some() {
        bail!(
            "the hub stands on PostgreSQL, which gives space back by itself: by stretches that are dropped, and by autovacuum"
        );
    }
    let folder = settings.data_dir;
    let done = tokio::task::spawn_blocking(move || hub_store::vacuum(&folder)).await??;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    println!("{}, before {}", paint::good(megabytes(done.after)), megabytes(done.before));
    Ok(ExitCode::SUCCESS)
}
