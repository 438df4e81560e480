//! Large payloads through the real program: in by HTTP and by a folder, out as files, read back by Range; never whole in memory.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Hub, PATIENCE, Setup, write};

/// A document of these tests: as many mebibytes, each unlike the others.
const MEBIBYTES: u64 = 100;
const MEBIBYTE: usize = 1 << 20;
/// What the hub may have in memory above what it has when it is idle.
const MOST_ABOVE_IDLE: u64 = 60 << 20;

const BY_HTTP: &str = r#"
name    = "scans/upload"
version = 1
about   = "Scanned documents are uploaded, and put into the folder of the archive."
[from]
connector   = "http"
acknowledge = "on_committed"
settings    = { listen = "127.0.0.1:0", max_message_bytes = 209_715_200 }
[parse]
format = "binary"
[map]
mapping = "scans/document"
writes  = ["DocumentReference"]
[keys]
content = "sha256"
[[to]]
name      = "archive"
connector = "file"
settings  = { folder = "OUT", name = "scan-{parcel}.bin" }
[[test]]
name  = "a scan"
given = "scans/scan.pdf"
"#;

const MAPPING: &str = r#"
name    = "scans/document"
version = 1
from    = "binary"
[[resource]]
as   = "document"
type = "DocumentReference"
id   = ["document", "sha256"]
[resource.set]
status  = { value = "current" }
content = { set = { attachment = { set = { url = { from = "url" }, size = { from = "size" }, hash = { from = "hash" }, contentType = { from = "contentType" }, title = { from = "name" } } } } }
"#;

/// A hub with a channel that is uploaded to and one that reads a folder.
struct Site {
    files: TempDir,
}

impl Site {
    fn new() -> Self {
        let files = TempDir::new().unwrap();
        let place = |name: &str| files.path().join(name).display().to_string();
        let by_http = BY_HTTP.replace("OUT", &place("out"));
        let source = format!(
            "settings    = {{ folder = \"{}\", settle_secs = 0, max_file_bytes = 209_715_200 }}",
            place("in")
        );
        let by_folder = by_http
            .replace("scans/upload", "scans/folder")
            .replace("connector   = \"http\"", "connector   = \"file\"")
            .replace("settings    = { listen = \"127.0.0.1:0\", max_message_bytes = 209_715_200 }", &source);
        write(
            files.path(),
            &[
                ("channels/scans/upload.toml", by_http.as_bytes()),
                ("channels/scans/folder.toml", by_folder.as_bytes()),
                ("mappings/scans/document.toml", MAPPING.as_bytes()),
                ("fixtures/scans/scan.pdf", b"%PDF-1.7"),
                ("in/.keep", b""),
                ("out/.keep", b""),
            ],
        );
        Self { files }
    }

    fn setup(&self) -> Setup {
        Setup::default().root(self.files.path())
    }

    fn inbox(&self) -> PathBuf {
        self.files.path().join("in")
    }

    /// The files that were delivered.
    fn delivered(&self) -> Vec<PathBuf> {
        visible(&self.files.path().join("out"))
    }
}

fn visible(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_file() && !path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect()
}

/// What lies in the archive of a hub.
fn objects(data: &Path) -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(data.join("data/attachments")) else { return Vec::new() };
    folders.flat_map(|folder| visible(&folder.unwrap().path())).collect()
}

/// A mebibyte of a document: like noise, and the same each time.
fn mebibyte(seed: u64, nth: u64) -> Vec<u8> {
    let mut state = (seed << 32 | nth).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(MEBIBYTE);
    while bytes.len() < MEBIBYTE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn digest(seed: u64) -> String {
    let mut hash = Sha256::new();
    (0..MEBIBYTES).for_each(|nth| hash.update(mebibyte(seed, nth)));
    hex(hash)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(path: &Path) -> String {
    let (mut file, mut hash, mut piece) = (File::open(path).unwrap(), Sha256::new(), vec![0; MEBIBYTE]);
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return hex(hash),
            length => hash.update(&piece[..length]),
        }
    }
}

/// Uploads a document a mebibyte at a time; the status and the body of the answer.
async fn upload(hub: &Hub, seed: u64, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(hub.channel("scans/upload")).await.unwrap();
    let length = MEBIBYTES as usize * MEBIBYTE;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: hub\r\nContent-Type: application/pdf\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for nth in 0..MEBIBYTES {
        stream.write_all(&mebibyte(seed, nth)).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// A number of `/proc/PID/status`, in bytes.
fn memory(hub: &Hub, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", hub.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

async fn until(what: &str, hub: &Hub, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", hub.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_hundred_mebibytes_go_through_the_hub_and_are_never_in_its_memory() {
    let site = Site::new();
    let hub = Hub::start(&site.setup()).await;
    let idle = memory(&hub, "VmRSS");

    let (status, answer) =
        upload(&hub, 1, "Content-Disposition: attachment; filename=\"scan.pdf\"\r\n").await;
    assert_eq!(status, 200, "{answer}");
    {
        let mut file = File::create(site.inbox().join(".big")).unwrap();
        (0..MEBIBYTES).for_each(|nth| file.write_all(&mebibyte(2, nth)).unwrap());
    }
    fs::rename(site.inbox().join(".big"), site.inbox().join("big.tiff")).unwrap();
    until("the file is taken", &hub, || visible(&site.inbox().join("done")).len() == 1).await;
    until("both are delivered", &hub, || site.delivered().len() == 2).await;
    for channel in ["scans/upload", "scans/folder"] {
        hub.paid(&format!("{channel}/archive")).await;
    }
    let mut sent: Vec<String> = site.delivered().iter().map(|path| digest_of(path)).collect();
    let mut expected = [digest(1), digest(2)];
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);

    // Read back whole and by ranges.
    let client = reqwest::Client::new();
    for (seed, media_type) in [(1, "application/pdf"), (2, "image/tiff")] {
        let address = format!("{}/fhir/Binary/{}", hub.http(), digest(seed));
        let mut answer = client.get(&address).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], media_type);
        assert_eq!(answer.headers()["content-length"], (MEBIBYTES << 20).to_string().as_str());
        let mut hash = Sha256::new();
        while let Some(piece) = answer.chunk().await.unwrap() {
            hash.update(&piece);
        }
        assert_eq!(hex(hash), digest(seed));
        let range = format!("bytes={}-{}", 50 << 20, (51 << 20) - 1);
        let answer = client.get(&address).header("range", range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(
            answer.headers()["content-range"],
            format!("bytes 52428800-53477375/{}", MEBIBYTES << 20).as_str()
        );
        assert!(answer.bytes().await.unwrap() == mebibyte(seed, 50), "the 51st mebibyte");
    }
    let above = memory(&hub, "VmHWM").saturating_sub(idle);
    println!(
        "{MEBIBYTES} MiB in and out, twice: at most {:.1} MiB above idle",
        above as f64 / f64::from(1 << 20)
    );
    assert!(above < MOST_ABOVE_IDLE, "{above} bytes above idle");

    // What was written of it, and what an operator sees.
    let document = hub.get("/fhir/DocumentReference").await;
    let documents = document["entry"].as_array().unwrap();
    assert_eq!(documents.len(), 2);
    let of_upload = documents
        .iter()
        .map(|entry| &entry["resource"]["content"][0]["attachment"])
        .find(|one| one["title"] == "scan.pdf")
        .unwrap();
    assert_eq!(of_upload["url"], format!("Binary/{}", digest(1)));
    assert_eq!(of_upload["size"], MEBIBYTES << 20);
    let found = hub.messages(&format!("key=content:{}", digest(1))).await;
    assert_eq!(found.len(), 1, "{:?}", hub.messages("limit=10").await);
}

/// A partner that takes one request and answers 204: its content type and the digest of its body.
async fn takes_one(listener: TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut head, mut piece) = (Vec::new(), vec![0; MEBIBYTE]);
    let end = loop {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "the head ends");
        head.extend_from_slice(&piece[..length]);
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let body = head.split_off(end);
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line[name.len()..].trim().to_owned()
    };
    let mut left = header("content-length:").parse::<usize>().unwrap() - body.len();
    let mut hash = Sha256::new();
    hash.update(&body);
    while left > 0 {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "the body comes whole");
        hash.update(&piece[..length]);
        left -= length;
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
    (header("content-type:"), hex(hash))
}

#[tokio::test]
async fn an_attachment_is_delivered_by_http_and_offered_as_rfc_9110_says() {
    let site = Site::new();
    let partner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = site.files.path().join("channels/scans/upload.toml");
    let channel = fs::read_to_string(&file).unwrap();
    let begins = channel.find("connector = \"file\"").unwrap();
    let ends = begins + channel[begins..].find("[[test]]").unwrap();
    let to = format!(
        "connector = \"http\"\nsettings  = {{ url = \"http://{}/scans\" }}\n",
        partner.local_addr().unwrap()
    );
    fs::write(&file, [&channel[..begins], &to, &channel[ends..]].concat()).unwrap();
    let hub = Hub::start(&site.setup()).await;
    let taken = tokio::spawn(takes_one(partner));
    assert_eq!(upload(&hub, 6, "").await.0, 200);
    assert_eq!(taken.await.unwrap(), ("application/pdf".to_owned(), digest(6)));
    hub.paid("scans/upload/archive").await;

    let client = reqwest::Client::new();
    let address = format!("{}/fhir/Binary/{}", hub.http(), digest(6));
    let tag = format!("\"{}\"", digest(6));
    let ask = async |method: reqwest::Method, name: &str, value: &str| {
        let answer = client.request(method, &address).header(name, value).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.bytes().await.unwrap().len())
    };
    let size = (MEBIBYTES << 20).to_string();
    let (status, headers, length) = ask(reqwest::Method::HEAD, "accept", "*/*").await;
    assert_eq!((status, length), (200, 0));
    assert_eq!(
        (&headers["content-length"], &headers["etag"]),
        (&size.parse().unwrap(), &tag.parse().unwrap())
    );
    assert_eq!(headers["accept-ranges"], "bytes");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(ask(reqwest::Method::GET, "if-none-match", &tag).await.0, 304);
    let (status, headers, _) = ask(reqwest::Method::GET, "range", &format!("bytes={size}-")).await;
    assert_eq!((status, &headers["content-range"]), (416, &format!("bytes */{size}").parse().unwrap()));
    let (status, _, length) = ask(reqwest::Method::GET, "range", "bytes=-7").await;
    assert_eq!((status, length), (206, 7));
    assert_eq!(ask(reqwest::Method::GET, "accept", "application/fhir+json").await.0, 406);
    assert_eq!(ask(reqwest::Method::DELETE, "accept", "*/*").await.0, 405);
    let unknown = address.replace(&digest(6), &"0".repeat(64));
    assert_eq!(reqwest::get(unknown).await.unwrap().status(), StatusCode::NOT_FOUND);
    let metadata = hub.get("/fhir/metadata").await.to_string();
    assert!(metadata.contains("\"type\":\"Binary\""), "{metadata}");
}

#[tokio::test]
async fn the_same_payload_again_is_known_and_kept_once() {
    let site = Site::new();
    let hub = Hub::start(&site.setup()).await;
    for headers in ["", "", "Idempotency-Key: another\r\n"] {
        assert_eq!(upload(&hub, 3, headers).await.0, 200);
    }
    hub.paid("scans/upload/archive").await;
    assert_eq!(
        hub.messages("limit=10").await.len(),
        2,
        "the second was known, the third has a key of its own"
    );
    assert_eq!(site.delivered().len(), 2);
    assert_eq!(objects(hub.folder.path()).len(), 1, "its bytes are kept once");
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_refused_and_leaves_nothing() {
    let site = Site::new();
    let hub = Hub::start(&site.setup().set("attachments.limit_bytes=10_000_000")).await;
    let mut stream = TcpStream::connect(hub.channel("scans/upload")).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let length = loop {
        let chunk = [format!("{MEBIBYTE:x}\r\n").as_bytes(), &mebibyte(4, 0), b"\r\n"].concat();
        tokio::select! {
            read = stream.read(&mut answer) => break read.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        // It may have been cut off while this was on its way: the answer is what counts.
        let _cut_off = stream.write_all(&chunk).await;
    };
    assert!(answer[..length].starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(hub.messages("limit=10").await.len(), 0);
    let left = hub.folder.path().join("data/attachments");
    until("nothing is left of it", &hub, || {
        fs::read_dir(&left).unwrap().all(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count() == 0)
    })
    .await;
}

#[tokio::test]
async fn a_hub_killed_between_archive_journal_and_answer_loses_and_doubles_nothing() {
    for place in ["stowed", "journaled", "committed", "leased", "delivered"] {
        let site = Site::new();
        let mut hub = Hub::start(&site.setup().env("HUITONG_CRASH_AT", format!("{place}:1"))).await;
        let mut file = File::create(site.inbox().join(".big")).unwrap();
        (0..MEBIBYTES / 10).for_each(|nth| file.write_all(&mebibyte(5, nth)).unwrap());
        fs::rename(site.inbox().join(".big"), site.inbox().join("big.pdf")).unwrap();
        hub.dies().await;
        let folder = hub.kill();
        assert!(
            place != "stowed" || visible(&site.inbox()).len() == 1,
            "it is not moved away before it is safe"
        );
        let hub = Hub::start_in(folder, &site.setup()).await;
        // Its new name is reserved before it is moved there; killed in between, the hub leaves an empty file, and gives it another name.
        let moved = || {
            let mut all = visible(&site.inbox().join("done"));
            all.retain(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0));
            all
        };
        until("the file is taken", &hub, || moved().len() == 1 && visible(&site.inbox()).is_empty()).await;
        hub.paid("scans/folder/archive").await;
        hub.settled("scans/folder").await;
        hub.paid("scans/folder/archive").await;
        assert_eq!(hub.messages("limit=10").await.len(), 1, "{place}");
        assert_eq!(site.delivered().len(), 1, "{place}: the same parcel is the same file");
        assert_eq!(digest_of(&site.delivered()[0]), digest_of(&moved()[0]), "{place}");
        // Killed between archive and journal, the first copy is an orphan until it is old.
        assert!(objects(hub.folder.path()).len() <= if place == "stowed" { 2 } else { 1 }, "{place}");
    }
}

#[tokio::test]
async fn retention_deletes_what_neither_message_nor_resource_needs() {
    let site = Site::new();
    let mapping = MAPPING.replace("\"url\"", "\"hash\"");
    let channel = BY_HTTP
        .replace("scans/upload", "scans/forgotten")
        .replace("scans/document", "scans/forgotten")
        .replace("OUT", &site.files.path().join("out").display().to_string());
    let mapping = mapping.replace("scans/document", "scans/forgotten").replace("\"sha256\"]", "\"size\"]");
    write(
        site.files.path(),
        &[
            ("channels/scans/forgotten.toml", channel.as_bytes()),
            ("mappings/scans/forgotten.toml", mapping.as_bytes()),
        ],
    );
    let setup = site.setup().set("retention.keep_days=0").set("retention.schedule=* * * * * *");
    let hub = Hub::start(&setup).await;
    let client = reqwest::Client::new();
    for (channel, body) in [("scans/upload", "needed by a resource"), ("scans/forgotten", "needed by nobody")]
    {
        let address = format!("http://{}/", hub.channel(channel));
        let answer = client.post(address).body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    }
    let begun = Instant::now();
    while !hub.messages("limit=10").await.is_empty() || objects(hub.folder.path()).len() != 1 {
        assert!(begun.elapsed() < PATIENCE, "it is never deleted:\n{}", hub.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = async |text: &str| {
        let mut hash = Sha256::new();
        hash.update(text);
        let address = format!("{}/fhir/Binary/{}", hub.http(), hex(hash));
        client.get(address).send().await.unwrap().status()
    };
    assert_eq!(status("needed by a resource").await, StatusCode::OK);
    assert_eq!(status("needed by nobody").await, StatusCode::NOT_FOUND);
}
