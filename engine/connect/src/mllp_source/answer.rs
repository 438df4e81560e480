//! Answers each message: original mode in one word, enhanced mode in the two that MSH-15 and MSH-16 ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use hub_core::envelope::{Label, Peer};
use hub_core::fault::{Fault, FaultStep};
use hub_core::id::{DedupeKey, Digest};
use hub_core::source::{Acknowledge, Inbound, Intake, Receipt};
use hub_formats::hl7v2::{Ack, AckCode, Header};
use hub_transport::mllp_server::{Handler, PeerInfo, Replies};
use time::{OffsetDateTime, UtcOffset};

use super::verdict::{Verdict, at_the_door, of_fault, of_outcome, of_reply};

/// Takes the frames of all connections of one source.
pub(super) struct Feed {
    intake: Intake,
    answer: Duration,
    clerk: Arc<Clerk>,
}

impl Feed {
    pub(super) fn new(intake: Intake, answer: Duration, offset: UtcOffset) -> Self {
        let started = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        Self { intake, answer, clerk: Arc::new(Clerk { started, written: AtomicU64::new(0), offset }) }
    }

    /// What cannot be read is kept all the same, set aside with its reason.
    async fn unreadable(&self, inbound: Inbound, fault: Fault) -> Replies {
        let receipt = self.intake.accept(Inbound { unreadable: Some(fault.clone()), ..inbound }).await;
        let verdict = match receipt {
            // The door has said more than what is known here: that it is busy, or whom it lets in.
            Receipt::Refused(..) => at_the_door(receipt, None).err(),
            Receipt::Accepted(_) | Receipt::Duplicate(_) => None,
        };
        let verdict = verdict.unwrap_or_else(|| Verdict::Rejected(of_fault(&fault)));
        Replies::one(self.clerk.application(None, &verdict))
    }

    /// HL7 v2.5.1 §2.9.2: one answer, which says what became of the message.
    async fn original(&self, header: &Header, receipt: Receipt) -> Replies {
        let verdict = match at_the_door(receipt, Some(header)) {
            Err(verdict) => verdict,
            Ok(id) => match self.intake.acknowledge() {
                Acknowledge::OnReceived | Acknowledge::OnAnswered => Verdict::Taken,
                Acknowledge::OnCommitted => of_outcome(&self.intake, id, self.answer).await,
            },
        };
        Replies::one(self.clerk.application(Some(header), &verdict))
    }

    /// HL7 v2.5.1 §2.9.3: that it is safe at once, what became of it later, each only when it is asked for.
    /// What became of a request is its reply.
    fn enhanced(&self, header: Header, receipt: Receipt, request: Option<Bytes>) -> Replies {
        let accept = When::read(&header.accept_acknowledgement);
        let application = When::read(&header.application_acknowledgement);
        let mut replies = Replies::default();
        let id = match at_the_door(receipt.clone(), Some(&header)) {
            Ok(id) => id,
            Err(verdict) if accept.wants(false) => {
                replies.now.push(self.clerk.accept(&header, &verdict));
                return replies;
            }
            // The sender hears nothing of the door; then the application's answer has to say it.
            Err(verdict) if application.wants(false) => {
                replies.now.push(self.clerk.application(Some(&header), &verdict));
                return replies;
            }
            Err(_) => return replies,
        };
        if accept.wants(true) {
            replies.now.push(self.clerk.accept(&header, &Verdict::Taken));
        }
        if application != When::Never {
            let (intake, clerk, wait) = (self.intake.clone(), Arc::clone(&self.clerk), self.answer);
            replies.later = Some(Box::pin(async move {
                if let Some(request) = request {
                    return Some(answered(&intake, &clerk, &header, request, receipt).await);
                }
                let verdict = of_outcome(&intake, id, wait).await;
                let wanted = application.wants(verdict == Verdict::Taken);
                wanted.then(|| clerk.application(Some(&header), &verdict))
            }));
        }
        replies
    }
}

/// The channel's reply to a request; where it has no words of its own, an acknowledgement.
async fn answered(
    intake: &Intake,
    clerk: &Clerk,
    header: &Header,
    request: Bytes,
    receipt: Receipt,
) -> Bytes {
    let reply = intake.reply(request, receipt).await;
    match reply.words {
        Some(words) => words.body,
        None => clerk.application(Some(header), &of_reply(&reply.kind, Some(header))),
    }
}

#[async_trait]
impl Handler for Feed {
    async fn handle(&self, frame: Bytes, peer: &PeerInfo) -> Replies {
        let mut header = Header::read(&frame);
        if header.is_err()
            && self.intake.splits()
            && let Ok(of_batch) = Header::read_batch(&frame)
        {
            header = Ok(of_batch);
        }
        let inbound = Inbound {
            dedupe: dedupe(header.as_ref().ok(), &frame),
            label: header.as_ref().map(label).unwrap_or_default(),
            bytes: frame,
            peer: Peer { address: Some(peer.address), identity: peer.identity.clone() },
            attachment: None,
            unreadable: None,
        };
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                let place = Some(error.place.unwrap_or_else(|| format!("byte {}", error.at)));
                let fault = Fault { step: FaultStep::Parse, place, rule: None, reason: error.what };
                return self.unreadable(inbound, fault).await;
            }
        };
        let request = inbound.bytes.clone();
        let receipt = self.intake.accept(inbound).await;
        // An acknowledgement is never acknowledged (HL7 v2.5.1 §2.9.2.1): two hubs would talk without end.
        if header.message_code == "ACK" {
            return Replies::default();
        }
        let answers = self.intake.acknowledge() == Acknowledge::OnAnswered;
        if header.is_enhanced() {
            self.enhanced(header, receipt, answers.then_some(request))
        } else if answers {
            Replies::one(answered(&self.intake, &self.clerk, &header, request, receipt).await)
        } else {
            self.original(&header, receipt).await
        }
    }
}

/// Sender and control id; the content itself when the sender gives no control id.
fn dedupe(header: Option<&Header>, bytes: &[u8]) -> DedupeKey {
    match header.filter(|header| !header.control_id.is_empty()) {
        Some(header) => DedupeKey(format_compact!(
            "{}|{}|{}",
            header.sending_application,
            header.sending_facility,
            header.control_id
        )),
        None => DedupeKey(format_compact!("{:?}", Digest::of(bytes))),
    }
}

fn label(header: &Header) -> Label {
    let valued = |text: CompactString| (!text.is_empty()).then_some(text);
    let sender = format_compact!("{}|{}", header.sending_application, header.sending_facility);
    Label {
        message_type: valued(header.message_type()),
        control_id: valued(header.control_id.clone()),
        sender: (sender != "|").then_some(sender),
    }
}

/// HL7 table 0155: when an acknowledgement is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Never,
    OnError,
    OnSuccess,
}

impl When {
    /// An empty field beside a valued one means never; a word that is not in the table means always, which loses nothing.
    fn read(word: &str) -> Self {
        match word.trim() {
            "" | "NE" => Self::Never,
            "ER" => Self::OnError,
            "SU" => Self::OnSuccess,
            _ => Self::Always,
        }
    }

    fn wants(self, success: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => !success,
            Self::OnSuccess => success,
        }
    }
}

/// Writes answers, each with a number and a time of its own.
struct Clerk {
    /// When the source was started, in milliseconds: numbers of another run differ.
    started: i128,
    written: AtomicU64,
    offset: UtcOffset,
}

impl Clerk {
    fn application(&self, to: Option<&Header>, verdict: &Verdict) -> Bytes {
        let code = match verdict {
            Verdict::Taken => AckCode::AA,
            Verdict::Failed(_) => AckCode::AE,
            Verdict::Rejected(_) => AckCode::AR,
        };
        self.write(code, to, verdict)
    }

    fn accept(&self, to: &Header, verdict: &Verdict) -> Bytes {
        let code = match verdict {
            Verdict::Taken => AckCode::CA,
            Verdict::Failed(_) => AckCode::CE,
            Verdict::Rejected(_) => AckCode::CR,
        };
        self.write(code, Some(to), verdict)
    }

    fn write(&self, code: AckCode, to: Option<&Header>, verdict: &Verdict) -> Bytes {
        let error = match verdict {
            Verdict::Taken => None,
            Verdict::Failed(error) | Verdict::Rejected(error) => Some(error.clone()),
        };
        // 11 hexadecimal digits until the year 2527, and a running number: at most 20 characters (MSH-10).
        let number = self.written.fetch_add(1, Ordering::Relaxed) % 100_000_000;
        let control_id = format!("{:x}{number:08}", self.started);
        Ack { code, to, error }.write(&control_id, &self.now()).into()
    }

    /// `20261122083000+0800`.
    fn now(&self) -> String {
        let now = OffsetDateTime::now_utc().to_offset(self.offset);
        let sign = if self.offset.is_negative() { '-' } else { '+' };
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}{sign}{:02}00",
            now.year(),
            u8::from(now.month()),
            now.day(),
            now.hour(),
            now.minute(),
            now.second(),
            self.offset.whole_hours().unsigned_abs(),
        )
    }
}
