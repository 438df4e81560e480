//! The folder of archives: files are begun under another name and get their own when they are whole and durable.

use std::fs::{DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;
use tracing::{info, warn};
use uuid::Uuid;

use super::file::{Writing, io_of};
use super::{ArchiveError, ArchiveHeader, ArchiveOptions, Entry};

/// What a file is called while it is written.
const UNFINISHED: &str = "part";
/// An unfinished file that is older was left behind by a program that was killed.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// Messages on their way into an archive. Nothing of it counts before [`Draft::finish`] has answered.
pub(crate) struct Draft {
    options: ArchiveOptions,
    unfinished: PathBuf,
    writing: Writing,
}

impl Draft {
    /// Makes the folder ready and begins a file.
    pub fn begin(options: ArchiveOptions) -> Result<Self, ArchiveError> {
        let folder = &options.folder;
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(io_of(folder))?;
        tidy(folder).map_err(io_of(folder))?;
        let unfinished = folder.join(format!("{}.{UNFINISHED}", Uuid::new_v4().simple()));
        let writing = Writing::begin(&unfinished, &options.key)?;
        Ok(Self { options, unfinished, writing })
    }

    /// Adds a message.
    pub fn add(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        self.writing.add(entry)
    }

    /// All that was added is on disk, and was read back.
    pub fn finish(self) -> Result<(), ArchiveError> {
        let Self { options, unfinished, writing } = self;
        let header = writing.finish(&options.key)?;
        let path = options.folder.join(name(&header, &unfinished));
        std::fs::rename(&unfinished, &path).map_err(io_of(&path))?;
        // The name is durable when its folder is.
        let synced = File::open(&options.folder).and_then(|folder| folder.sync_all());
        synced.map_err(io_of(&options.folder))?;
        info!(file = %path.display(), messages = header.messages, "Messages were archived.");
        Ok(())
    }
}

/// `20261125T080000Z-20261126T080000Z-3f2a9c1e.archive`: the times of the messages, and a part that is the file's own.
fn name(header: &ArchiveHeader, unfinished: &Path) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let text = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(format).ok()).unwrap_or_default();
    let own: String = unfinished
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().chars().take(8).collect());
    format!("{}-{}-{own}.archive", text(header.from), text(header.to))
}

fn tidy(folder: &Path) -> io::Result<()> {
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        let is_unfinished = found.path().extension().is_some_and(|end| end == UNFINISHED);
        let is_old = || {
            let age = found.metadata().and_then(|about| about.modified()).map(|at| at.elapsed());
            age.is_ok_and(|age| age.is_ok_and(|age| age > LEFT_BEHIND))
        };
        if is_unfinished && is_old() {
            warn!(file = %found.path().display(), "An archive was never finished; its messages are still in the store.");
            std::fs::remove_file(found.path())?;
        }
    }
    Ok(())
}
