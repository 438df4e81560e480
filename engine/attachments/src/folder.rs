//! Objects as files: written under a hidden name, synced, and only then called by their own.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::attachment::PlaceId;
use time::OffsetDateTime;

use crate::storage::{Fetch, Put, Storage, StorageError, blocking};

/// So much is read at a time.
const PIECE: usize = 256 << 10;
/// How the name of a file that is not whole ends. It begins with a point.
const PART: &str = ".part";

/// A folder of files, in as many folders as the first two digits of a place make: `3f/3f0c...`.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Objects in this folder. It is made, for this user alone since it holds patient data, when the first object comes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn folder_of(&self, place: PlaceId) -> PathBuf {
        self.path.join(&place.to_string()[..2])
    }

    fn file_of(&self, place: PlaceId) -> PathBuf {
        self.folder_of(place).join(place.to_string())
    }

    fn begin_now(&self, place: PlaceId) -> io::Result<Half> {
        let folder = self.folder_of(place);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            sync(&self.path)?;
            self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync)?;
        }
        let half = folder.join(format!(".{place}{PART}"));
        Ok(Half { file: File::create_new(&half)?, half, whole: folder.join(place.to_string()), folder })
    }

    /// A file that is whole and older, or that is not whole and older: then it is deleted.
    fn look(&self, file: &fs::DirEntry, than: SystemTime) -> io::Result<Option<PlaceId>> {
        let name = file.file_name();
        let name = name.to_string_lossy();
        let is_old = match file.metadata().and_then(|what| what.modified()) {
            Ok(written) => written < than,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if is_old && name.starts_with('.') && name.ends_with(PART) {
            gone(fs::remove_file(file.path()))?;
            return Ok(None);
        }
        Ok(name.parse().ok().map(PlaceId).filter(|_| is_old))
    }

    fn older_now(&self, than: SystemTime) -> io::Result<Vec<PlaceId>> {
        let mut older = Vec::new();
        let folders = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(older),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder)? {
                older.extend(self.look(&file?, than)?);
            }
        }
        Ok(older)
    }
}

/// A name is safe when its folder is.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn gone(deleted: io::Result<()>) -> io::Result<()> {
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        deleted => deleted,
    }
}

#[async_trait]
impl Storage for Folder {
    async fn begin(&self, place: PlaceId) -> Result<Box<dyn Put>, StorageError> {
        let this = self.clone();
        let half = blocking(move || this.begin_now(place)).await??;
        Ok(Box::new(FilePut(Some(half))))
    }

    async fn fetch(&self, place: PlaceId, range: Range<u64>) -> Result<Option<Box<dyn Fetch>>, StorageError> {
        let path = self.file_of(place);
        let opened = blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            Ok::<_, io::Error>(FileFetch { file: Some(file), left: range.end.saturating_sub(range.start) })
        });
        match opened.await? {
            Ok(fetch) => Ok(Some(Box::new(fetch))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, place: PlaceId) -> Result<(), StorageError> {
        let path = self.file_of(place);
        Ok(gone(blocking(move || fs::remove_file(path)).await?)?)
    }

    async fn older(&self, than: OffsetDateTime) -> Result<Vec<PlaceId>, StorageError> {
        let this = self.clone();
        Ok(blocking(move || this.older_now(than.into())).await??)
    }
}

/// A file that is not whole. Dropped, it is deleted.
struct Half {
    file: File,
    half: PathBuf,
    whole: PathBuf,
    folder: PathBuf,
}

impl Half {
    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.half, &self.whole)?;
        sync(&self.folder)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // Gone under this name when it is whole. What cannot be deleted now is found when it is old.
        let _ = fs::remove_file(&self.half);
    }
}

/// `None` while a piece is being written, and after one could not be.
struct FilePut(Option<Half>);

fn broken_off() -> io::Error {
    io::Error::other("an earlier piece could not be written")
}

#[async_trait]
impl Put for FilePut {
    async fn add(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut half = self.0.take().ok_or_else(broken_off)?;
        let written = blocking(move || half.file.write_all(&bytes).map(|()| half));
        self.0 = Some(written.await??);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StorageError> {
        let half = self.0.take().ok_or_else(broken_off)?;
        Ok(blocking(move || half.finish()).await??)
    }
}

struct FileFetch {
    file: Option<File>,
    left: u64,
}

#[async_trait]
impl Fetch for FileFetch {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let Some(mut file) = self.file.take().filter(|_| self.left > 0) else { return Ok(None) };
        let most = self.left.min(PIECE as u64);
        let (file, piece) = blocking(move || {
            let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or(PIECE));
            (&mut file).take(most).read_to_end(&mut piece)?;
            Ok::<_, io::Error>((file, piece))
        })
        .await??;
        if piece.is_empty() {
            return Ok(None);
        }
        self.file = Some(file);
        self.left -= piece.len() as u64;
        Ok(Some(Bytes::from(piece)))
    }
}
