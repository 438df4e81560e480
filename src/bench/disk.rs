//! What the disk can do: how often a second a small append can be made durable.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Appends of 4 kB, each followed by `fdatasync`, a second.
pub fn fsync_rate(folder: &Path, long: Duration) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("fsync"))?;
    let block = [7u8; 4096];
    let started = Instant::now();
    let mut count = 0u32;
    while started.elapsed() < long {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
