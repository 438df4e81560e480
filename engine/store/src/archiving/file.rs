//! One archive: its header in clear, then the sealed messages.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::serde::rfc3339;

use super::key::{from_hex, to_hex};
use super::seal::{Opening, Sealing};
use super::{ArchiveError, ArchiveKey, Entry};
use crate::clock;

/// The header has so many bytes, filled up with spaces: it is written again when all is known.
const HEADER: usize = 16 << 10;
/// More channels than this are not named in the header.
const MOST_CHANNELS: usize = 200;
const FORMAT: &str = "huitong-archive";
const VERSION: u64 = 1;
/// How hard it tries to compress: zstd's own middle.
const LEVEL: i32 = 3;
const SALT: usize = 32;

/// What an archive says of itself in clear. No patient data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveHeader {
    format: String,
    version: u64,
    /// The name of the secret that it is sealed with.
    pub key: String,
    /// Tells the key from others of that name.
    pub key_check: String,
    salt: String,
    /// When it was written.
    #[serde(with = "rfc3339")]
    pub written_at: OffsetDateTime,
    /// How many messages it holds.
    pub messages: u64,
    /// How many parcels of theirs.
    pub parcels: u64,
    /// How many bytes they are, unpacked.
    pub bytes: u64,
    /// The channels they came by, 200 of them at most.
    pub channels: Vec<String>,
    /// When the earliest was received.
    #[serde(with = "rfc3339::option")]
    pub from: Option<OffsetDateTime>,
    /// When the latest was received.
    #[serde(with = "rfc3339::option")]
    pub to: Option<OffsetDateTime>,
}

impl ArchiveHeader {
    fn new(key: &ArchiveKey, salt: &[u8]) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            key: key.name().to_owned(),
            key_check: key.check(),
            salt: to_hex(salt),
            written_at: OffsetDateTime::now_utc(),
            messages: 0,
            parcels: 0,
            bytes: 0,
            channels: Vec::new(),
            from: None,
            to: None,
        }
    }

    fn add(&mut self, entry: &Entry) {
        self.messages += 1;
        self.parcels += entry.parcels.len() as u64;
        let channel = &entry.head.channel;
        if let Err(at) = self.channels.binary_search(channel)
            && self.channels.len() < MOST_CHANNELS
        {
            self.channels.insert(at, channel.clone());
        }
        let at = clock::moment(entry.head.received_us);
        self.from = Some(self.from.map_or(at, |from| from.min(at)));
        self.to = Some(self.to.map_or(at, |to| to.max(at)));
    }

    /// A line of JSON, filled up.
    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut shown = self.clone();
        loop {
            let mut bytes = serde_json::to_vec(&shown).map_err(io::Error::other)?;
            if bytes.len() < HEADER {
                bytes.resize(HEADER - 1, b' ');
                bytes.push(b'\n');
                return Ok(bytes);
            }
            // Names of channels may be long.
            if shown.channels.pop().is_none() {
                return Err(io::Error::other("the header is too long"));
            }
        }
    }
}

/// Counts and digests what goes through.
struct Counting<T> {
    inner: T,
    bytes: u64,
    digest: Sha256,
}

impl<T> Counting<T> {
    fn new(inner: T) -> Self {
        Self { inner, bytes: 0, digest: Sha256::new() }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.digest.update(bytes);
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.count(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let taken = self.inner.read(bytes)?;
        self.count(&bytes[..taken]);
        Ok(taken)
    }
}

type Packing = zstd::stream::write::Encoder<'static, Sealing<BufWriter<File>>>;

/// An archive that is being written.
pub(super) struct Writing {
    path: PathBuf,
    header: ArchiveHeader,
    into: Counting<Packing>,
}

impl Writing {
    /// Begins a file that is not there yet.
    pub fn begin(path: &Path, key: &ArchiveKey) -> Result<Self, ArchiveError> {
        let begun = || -> io::Result<_> {
            let mut salt = [0; SALT];
            SystemRandom::new()
                .fill(&mut salt)
                .map_err(|_| io::Error::other("the system gives no chance"))?;
            let mut file = private(path)?;
            let header = ArchiveHeader::new(key, &salt);
            file.write_all(&header.to_bytes()?)?;
            let sealing = Sealing::new(BufWriter::with_capacity(1 << 20, file), key.of_file(&salt));
            let mut packing = zstd::stream::write::Encoder::new(sealing, LEVEL)?;
            packing.include_checksum(true)?;
            Ok((header, packing))
        };
        let (header, packing) = begun().map_err(io_of(path))?;
        Ok(Self { path: path.to_owned(), header, into: Counting::new(packing) })
    }

    /// Adds a message.
    pub fn add(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        self.header.add(entry);
        entry.write(&mut self.into).map_err(io_of(&self.path))
    }

    /// Finishes it, makes it durable, and reads it back: the very same bytes must come out.
    pub fn finish(mut self, key: &ArchiveKey) -> Result<ArchiveHeader, ArchiveError> {
        self.header.bytes = self.into.bytes;
        let written = self.into.digest.finalize();
        let finished = || -> io::Result<()> {
            let header = self.header.to_bytes()?;
            let sealing = self.into.inner.finish()?;
            let mut file = sealing.finish(&header)?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&header)?;
            file.sync_all()
        };
        finished().map_err(io_of(&self.path))?;
        let mut file = ArchiveFile::open(&self.path)?;
        let read = file.read(key, |_| Ok::<_, ArchiveError>(()))?;
        if read[..] != written[..] {
            let what = "what was read back is not what was written".to_owned();
            return Err(ArchiveError::Damaged { path: self.path, what });
        }
        Ok(file.header)
    }
}

/// An archive that is there.
pub struct ArchiveFile {
    path: PathBuf,
    /// What it says of itself. Only reading it whole tells whether that is so.
    pub header: ArchiveHeader,
    beside: Vec<u8>,
    file: File,
}

impl ArchiveFile {
    /// Opens an archive and reads its header.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let no_archive = || ArchiveError::NoArchive { path: path.to_owned() };
        let mut file = File::open(path).map_err(io_of(path))?;
        let mut beside = vec![0; HEADER];
        match file.read_exact(&mut beside) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(no_archive()),
            read => read.map_err(io_of(path))?,
        }
        // Only these two are the same in every version.
        #[derive(Deserialize)]
        struct Which {
            format: String,
            version: u64,
        }
        let which: Which = serde_json::from_slice(&beside).map_err(|_| no_archive())?;
        if which.format != FORMAT {
            return Err(no_archive());
        }
        if which.version != VERSION {
            return Err(ArchiveError::Version { path: path.to_owned(), version: which.version });
        }
        let header = serde_json::from_slice(&beside).map_err(|_| no_archive())?;
        Ok(Self { path: path.to_owned(), header, beside, file })
    }

    /// Hands over each message; afterwards it is known that the file is whole. Says the digest of all messages.
    pub fn read<E: From<ArchiveError>>(
        &mut self,
        key: &ArchiveKey,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<[u8; 32], E> {
        let damaged = |what: String| ArchiveError::Damaged { path: self.path.clone(), what };
        if key.check() != self.header.key_check {
            let key = self.header.key.clone();
            return Err(ArchiveError::OtherKey { path: self.path.clone(), key }.into());
        }
        let salt = from_hex(&self.header.salt).filter(|salt| salt.len() == SALT);
        let salt = salt.ok_or_else(|| damaged("its header has no salt".to_owned()))?;
        self.file.seek(SeekFrom::Start(HEADER as u64)).map_err(io_of(&self.path))?;
        let opening = Opening::new(&self.file, key.of_file(&salt), self.beside.clone());
        let opening = opening.map_err(|error| damaged(error.to_string()))?;
        let unpacking = zstd::stream::read::Decoder::with_buffer(BufReader::new(opening));
        let unpacking = unpacking.map_err(|error| damaged(error.to_string()))?;
        let mut from = Counting::new(BufReader::new(unpacking));
        let mut messages = 0;
        while let Some(entry) = Entry::read(&mut from).map_err(|error| damaged(error.to_string()))? {
            messages += 1;
            each(entry)?;
        }
        if messages != self.header.messages {
            let what = format!("it holds {messages} messages, its header says {}", self.header.messages);
            return Err(damaged(what).into());
        }
        Ok(from.digest.finalize().into())
    }
}

/// A new file that only its user can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).read(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(super) fn io_of(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Io { path, source }
}
