//! Named places at which a test may end the process at once. In a release build there are none.
//!
//! `HUITONG_CRASH_AT=mapped:37` aborts the process when it comes to `mapped` for the 37th time: no destructor runs, nothing
//! is flushed, as with `kill -9`. `tests/crash` goes through all of [`PLACES`].

/// The places, in the order of a message's road.
pub const PLACES: [&str; 12] = [
    "received",  // the frame is in memory, nothing is stored
    "journaled", // the bytes are safe, nobody has been told
    "split",     // a message's pieces are made, nothing of them is stored
    "expanded",  // they are durable, the lanes do not know yet
    "parsed",
    "mapped",
    "handed",    // the commit goes to the store
    "committed", // it is durable, the lanes do not know yet
    "leased",    // a parcel is about to be sent
    "delivered", // the partner has it, the hub has not noted it
    "settled",   // it is noted
    "ended",     // an end without a commit is durable
];

/// The places of a deployment.
pub const DEPLOYING: [&str; 3] = [
    "deployment-begun",   // it is kept, nothing of it is done
    "deployment-held",    // sources that change have stopped, nothing is changed
    "deployment-changed", // it runs, the store does not know yet
];

/// The places of a payload that becomes an attachment, beside those of every message.
pub const ATTACHING: [&str; 1] = [
    "stowed", // it is safe in the archive, nothing is in the journal
];

/// Comes to a place.
#[cfg(debug_assertions)]
pub fn place(name: &'static str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ASKED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let asked = std::env::var("HUITONG_CRASH_AT").ok()?;
        let (name, times) = asked.split_once(':')?;
        Some((name.to_owned(), times.parse().ok()?))
    });
    static TIMES: AtomicU64 = AtomicU64::new(0);
    debug_assert!(
        PLACES.contains(&name) || DEPLOYING.contains(&name) || ATTACHING.contains(&name),
        "`{name}` is not in the list of places"
    );
    if let Some((asked, times)) = &*ASKED
        && asked == name
        && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *times
    {
        std::process::abort();
    }
}

/// Reads a message. `HUITONG_CRASH_AT=word:POISON` aborts the process at each that holds the word.
#[cfg(debug_assertions)]
pub fn reading(bytes: &[u8]) {
    static WORD: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| {
        Some(std::env::var("HUITONG_CRASH_AT").ok()?.strip_prefix("word:")?.to_owned())
    });
    if let Some(word) = &*WORD
        && bytes.windows(word.len().max(1)).any(|part| part == word.as_bytes())
    {
        std::process::abort();
    }
}

/// Reads a message.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reading(_bytes: &[u8]) {}

/// Comes to a place.
#[cfg(not(debug_assertions))]
pub fn place(_name: &'static str) {}
