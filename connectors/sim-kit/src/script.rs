//! What a sending simulator is given to send: an endless row of messages that only the seed decides.

/// One message of a script. No `Debug`: its bytes are content.
#[derive(Clone)]
pub struct Message {
    /// MSH-10.
    pub control_id: String,
    /// `ADT^A01`.
    pub kind: String,
    /// Messages of the same lane go over the same connection, one after the other: one patient's.
    pub lane: u64,
    /// What is sent, without framing.
    pub bytes: Vec<u8>,
}

/// An endless row of messages.
pub trait Script: Send {
    /// The next message.
    fn next(&mut self) -> Message;

    /// The next message, blown up beyond what any hub takes: more than five megabytes.
    fn next_big(&mut self) -> Message;

    /// Begins again: the same messages come once more.
    fn reset(&mut self);
}

/// The next `count` messages of a script.
pub fn first(script: &mut dyn Script, count: usize) -> Vec<Message> {
    (0..count).map(|_| script.next()).collect()
}
