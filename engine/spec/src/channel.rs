//! What a channel is, once its file has been read and found right.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use hub_core::document::Split;
use hub_core::finding::Finding;
use hub_core::id::{ChannelId, DestinationId, Digest};
use hub_core::path::Path;
use hub_core::registry::Settings;
use hub_core::source::Acknowledge;
use hub_core::store::StateName;
use hub_core::template::SearchTemplate;
use hub_mapping::{Condition, Mapping};

use crate::on_fault::OnFault;
use crate::pattern::Pattern;
use crate::retry::RetryPolicy;

/// All channels of a hub, read and found right.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder that holds `channels/`, `mappings/` and `fixtures/`.
    pub root: PathBuf,
    /// The channels, by name.
    pub channels: Vec<Channel>,
    /// What does not keep the hub from running: a mapping that no channel uses.
    pub warnings: Vec<Finding>,
}

impl Project {
    /// The channel of this name.
    pub fn channel(&self, id: &ChannelId) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == *id)
    }
}

/// One flow of messages: where they come from, what is made of them, where they go.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name: the path of its file below `channels/`, without the suffix.
    pub id: ChannelId,
    /// Its file, relative to the project's root.
    pub file: PathBuf,
    /// What it is for, in a sentence.
    pub about: String,
    /// The version of the channel language it is written in.
    pub version: u32,
    /// Where its messages come from.
    pub from: From,
    /// How bytes become documents.
    pub parse: Parse,
    /// Conditions that each must hold for a message to be mapped.
    pub filter: Vec<Rule>,
    /// What becomes of a message.
    pub mapping: Arc<Mapping>,
    /// The resource types the mapping may write, as the file lists them.
    pub writes: Vec<CompactString>,
    /// What messages can be found by: names, and where the values stand.
    pub keys: Vec<(CompactString, Path)>,
    /// Types, and the events that each resource written of them raises.
    pub raise: Vec<(CompactString, CompactString)>,
    /// Where something is sent.
    pub to: Vec<Route>,
    /// What senders are answered; `None`: a receipt.
    pub reply: Option<Reply>,
    /// What must run before it.
    pub start: Start,
    /// What happens to a message that fails.
    pub on_fault: OnFault,
    /// What the channel promises, by example.
    pub tests: Vec<ChannelTest>,
    /// The digest of the file, and of every mapping and code table that it uses: another digest, another channel.
    pub digest: Digest,
}

/// What must run before a channel does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// These channels.
    pub after: Vec<ChannelId>,
    /// How far they must have come.
    pub when: StartWhen,
}

/// How far a channel must have come before those start that come after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StartWhen {
    /// Its source runs.
    #[default]
    Started,
    /// Its source runs, and the messages that had waited in the journal have been worked off.
    CaughtUp,
}

impl StartWhen {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Started, Self::CaughtUp];

    /// Its name in a channel file: `caught-up`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::CaughtUp => "caught-up",
        }
    }
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq)]
pub struct From {
    /// The connector: `lis`.
    pub connector: CompactString,
    /// When senders are answered.
    pub acknowledge: Acknowledge,
    /// Messages with the same value here are worked on in order of arrival; `None`: all of the channel's are.
    pub lane_by: Option<Path>,
    /// The connector's own settings, overrides applied.
    pub settings: Settings,
}

/// How bytes become documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Parse {
    /// The format: `hl7v2`.
    pub format: CompactString,
    /// The kinds of message taken; empty: all.
    pub accept: Vec<Pattern>,
    /// The character set of messages that do not name theirs.
    pub charset: Option<String>,
    /// What there are several of in a frame or file; `None`: each is one message.
    pub split: Option<Split>,
}

impl Parse {
    /// Whether the channel takes messages that call themselves so. A message without a type is taken only by a
    /// channel that takes all.
    pub fn takes(&self, message_type: Option<&str>) -> bool {
        self.accept.is_empty()
            || message_type.is_some_and(|kind| self.accept.iter().any(|pattern| pattern.matches(kind)))
    }

    /// What the channel takes, in words: `ADT^A01, ADT^A08`.
    pub fn expected(&self) -> String {
        let names: Vec<&str> = self.accept.iter().map(Pattern::as_str).collect();
        names.join(", ")
    }
}

/// A condition, and its words for people.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The condition as the channel file has it.
    pub text: String,
    /// The condition, compiled.
    pub condition: Condition,
}

/// One destination of a channel, and what goes there when.
#[derive(Clone, Debug)]
pub struct Route {
    /// `lis/oru-r01/ward-notice`.
    pub id: DestinationId,
    /// Its name within the channel: `ward-notice`.
    pub name: CompactString,
    /// The connector: `notify`.
    pub connector: CompactString,
    /// The connector's own settings, overrides applied.
    pub settings: Settings,
    /// Only what it holds for is sent; `None`: everything. Seen from each node of `each`.
    pub when: Option<Condition>,
    /// One parcel for each node found; `None`: one for each message.
    pub each: Option<Path>,
    /// What makes the body; `None`: the message goes on byte for byte as it was received.
    pub mapping: Option<Arc<Mapping>>,
    /// What makes resources of the receiver's answer; `None`: the answer is only kept.
    pub answer: Option<Arc<Mapping>>,
    /// The digest of the files that mapping is made of: another digest, another mapping.
    pub answer_digest: Option<Digest>,
    /// Parcels with the same value here arrive in order; `None`: in any order.
    pub order_by: Option<Path>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// What to do when a parcel may or may not have arrived.
    pub in_doubt: InDoubt,
    /// When to stop trying for a while.
    pub circuit: Circuit,
}

impl Route {
    /// What `when`, `each`, `order_by` and the mapping are read from.
    pub fn reads(&self) -> Reads {
        match &self.mapping {
            Some(mapping) if mapping.from() == "fhir" => Reads::Resources,
            _ => Reads::Message,
        }
    }
}

/// What senders are answered who want more than a receipt.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What makes the answer.
    pub mapping: Arc<Mapping>,
    /// What it reads.
    pub facts: Facts,
    /// When it must have come.
    pub within: Duration,
    /// What says that it cannot be answered now; `None`: the protocol's own words.
    pub busy: Option<Arc<Mapping>>,
    /// What says that it will not be answered; `None`: the protocol's own words.
    pub refused: Option<Arc<Mapping>>,
}

/// What a reply is made of.
#[derive(Clone, Debug)]
pub enum Facts {
    /// The request alone.
    Request,
    /// What these find in the store.
    Search(Vec<SearchTemplate>),
    /// What the message wrote.
    Commit,
    /// What the receiver of this name answered.
    Answer(DestinationId),
}

/// The document that a route is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The resources that the channel's mapping made of the message.
    Resources,
    /// The message itself.
    Message,
}

/// What to do when a parcel may or may not have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InDoubt {
    /// It is kept until a person has found out. Nothing is ever done twice.
    #[default]
    Hold,
    /// The receiver is asked until it can tell, or until the time of `retry` is up; only what it says has not arrived is
    /// sent again.
    Ask,
    /// It is sent again under the same id, unless the receiver can be asked and has it: right for receivers that know a
    /// parcel by its id.
    Resend,
}

impl InDoubt {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Ask, Self::Resend];

    /// Its name in a channel file: `hold`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Ask => "ask",
            Self::Resend => "resend",
        }
    }
}

/// When a destination that fails is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// So many failures...
    pub failures: u32,
    /// ...within so long open the circuit: nothing is sent any more.
    pub within: Duration,
    /// While it is open, one parcel is tried each time so long has passed.
    pub probe: Duration,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { failures: 5, within: Duration::from_secs(30), probe: Duration::from_secs(15) }
    }
}

/// One example of what the channel does.
#[derive(Clone, Debug)]
pub struct ChannelTest {
    /// A sentence.
    pub name: String,
    /// The line of the channel file it begins on, for reports.
    pub line: usize,
    /// The message, relative to the project's root: `fixtures/lis/oru-r01/normal.hl7`.
    pub given: PathBuf,
    /// What the sender is answered: `AA`.
    pub receipt: Option<String>,
    /// How the message ends.
    pub state: StateName,
    /// Where it is wrong, for a message that is set aside: the place of its fault.
    pub place: Option<String>,
    /// Words that its reason, or the rule that stopped it, must contain.
    pub reason: Option<String>,
    /// The resources written, as a bundle, relative to the project's root. The file may not exist yet.
    pub writes: Option<PathBuf>,
    /// How many messages the frame or file holds.
    pub pieces: Option<u64>,
    /// What the store holds before: a bundle, relative to the project's root.
    pub stored: Option<PathBuf>,
    /// What the sender is answered, relative to the project's root. The file may not exist yet.
    pub reply: Option<PathBuf>,
    /// What each destination is sent: its name, and a file relative to the project's root that may not exist yet.
    pub sends: Vec<(CompactString, PathBuf)>,
}
