//! Who asks is answered, also when the program fails at it, and never with half of what there is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_core::document::Parser;
use hub_core::source::{Door, Receipt, Refusal, Replied};
use hub_core::template::SearchTemplate;

use hub_fhir::search::{Cursor, MAX_COUNT, Page};
use hub_mapping::{FileText, Files, Mapping};
use hub_runtime::reply::Answerer;
use hub_spec::{Channel, Facts, Reply};

use crate::memory::Memory;
use crate::ward::{ROOMY, Ward, channel, fragile, inbound_text, plain};

const TOLD: &str = r#"
name    = "test/told"
version = 1
from    = "fhir"
to      = "json"
request = "json"
[message.set]
number = { from = "request.number" }
"#;

const BUSY: &str = r#"
name    = "test/busy"
version = 1
from    = "json"
to      = "json"
[message.set]
id = { from = "hub.control_id" }
"#;

struct Both;

impl Files for Both {
    fn mapping(&self, name: &str) -> Option<FileText> {
        let text = if name == "test/told" { TOLD } else { BUSY };
        Some(FileText { path: format!("mappings/{name}.toml").into(), text: text.into() })
    }

    fn code_table(&self, _name: &str) -> Option<FileText> {
        None
    }

    fn mapping_names(&self) -> Vec<String> {
        vec!["test/told".into(), "test/busy".into()]
    }

    fn code_table_names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn compiled(name: &str) -> Arc<Mapping> {
    Arc::new(hub_mapping::compile(name, &Both).unwrap())
}

fn answerer(parser: &Arc<dyn Parser>, facts: Facts) -> Answerer {
    let reply = Reply {
        mapping: compiled("test/told"),
        facts,
        within: Duration::from_secs(5),
        busy: Some(compiled("test/busy")),
        refused: Some(compiled("test/busy")),
    };
    let channel = Channel { reply: Some(reply), ..channel() };
    Answerer::of(&channel, parser).unwrap().unwrap()
}

/// Sends a request and asks for its answer.
async fn ask(ward: &Ward, answerer: &Answerer, text: &str) -> hub_core::source::Reply {
    let receipt = ward.door.accept(inbound_text(text)).await;
    answerer.answer(Bytes::copy_from_slice(text.as_bytes()), receipt, &ward.backlog, &ward.house).await
}

#[tokio::test(start_paused = true)]
async fn a_request_at_which_the_program_fails_is_refused_and_harms_nobody() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    // It is set aside; and the refusal cannot be put into words either.
    let answerer = answerer(&fragile(), Facts::Request);
    let reply = ask(&ward, &answerer, "poison").await;
    assert!(matches!(reply.kind, Replied::Refused(_)) && reply.words.is_none(), "{reply:?}");
    // A request that the channel could read, and whoever answers cannot.
    let plain_ward = Ward::open_reading(&memory, plain());
    let text = r#"{"patient":"p1","number":"poison"}"#;
    let reply = ask(&plain_ward, &answerer, text).await;
    assert!(matches!(reply.kind, Replied::Refused(_)) && reply.words.is_none(), "{reply:?}");
    let reply = ask(&ward, &answerer, r#"{"patient":"p1","number":"1"}"#).await;
    assert_eq!(reply.words.unwrap().body, r#"{"number":"1"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_stored_is_told_so_under_a_number_of_its_own() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    let answerer = answerer(&plain(), Facts::Request);
    let mut told = std::collections::HashSet::new();
    for _ in 0..3 {
        let busy = Receipt::Refused(None, Refusal::Busy);
        let reply = answerer.answer("{}".into(), busy, &ward.backlog, &ward.house).await;
        assert_eq!(reply.kind, Replied::Busy);
        told.insert(reply.words.unwrap().body);
    }
    assert_eq!(told.len(), 3, "no two answers have one control id: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_all_there_is_or_is_refused() {
    let memory = Memory::new(1);
    let ward = Ward::open(&memory, ROOMY);
    let search = |text: &str| Facts::Search(vec![SearchTemplate::parse(text).unwrap()]);
    let all = answerer(&plain(), search("Patient?identifier={patient}"));
    let some = answerer(&plain(), search("Patient?identifier={patient}&_count=2"));
    memory.state().finds = Some(Page::default());
    let request = |number: usize| format!(r#"{{"patient":"p1","number":"{number}"}}"#);
    assert_eq!(ask(&ward, &all, &request(1)).await.kind, Replied::Answered);
    memory.state().finds =
        Some(Page { next: Some(Cursor { values: Vec::new(), row: 0 }), ..Page::default() });
    let refused = ask(&ward, &all, &request(2)).await;
    assert!(format!("{:?}", refused.kind).contains("finds more than 1000"), "{:?}", refused.kind);
    assert_eq!(ask(&ward, &some, &request(3)).await.kind, Replied::Answered, "it asks for two of them");
    assert_eq!(memory.state().searched, [MAX_COUNT, MAX_COUNT, 2]);
}
