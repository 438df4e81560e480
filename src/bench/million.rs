//! A journal of a million messages: how fast one of them is found, and how fast a hub on it starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::commit::Key;
use hub_core::envelope::{Envelope, Head, Label, Peer, Raw};
use hub_core::id::{ChannelId, CorrelationId, DedupeKey, Digest, MessageId};
use hub_core::store::{End, Journal, MessageQuery, StateName};
use hub_store::{Store, StoreOptions};
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::table::Table;
use crate::cli::Global;

const MESSAGES: u64 = 1_000_000;
const WRITERS: u64 = 512;

/// Fills a journal and searches it.
pub async fn measure(_global: &Global, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let store = Arc::new(Store::open(StoreOptions::new(folder.path().join("data"))).await?);
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for nth in (writer..MESSAGES).step_by(WRITERS as usize) {
                let message = message(nth);
                store.receive(&message).await?;
                let key = Key { name: "patient".into(), value: format!("{}", 1_000_000 + nth / 5).into() };
                store.end(message.head.id, End::Filtered { rule: "bench".to_owned() }, vec![key]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    table.row(
        "a million messages of 0.3 kB received and ended",
        format!("{:.0} s", started.elapsed().as_secs_f64()),
        "",
    );
    let patient = |nth: u64| Some((Some("patient".into()), format!("{}", 1_000_000 + nth).into()));
    let by_key = slowest(&store, |nth| MessageQuery {
        key: patient(nth * 997 % 200_000),
        limit: 20,
        ..MessageQuery::default()
    })
    .await?;
    table.row("find by business key among 1,000,000 (median / slowest of 200)", by_key, "20 ms");
    let by_control_id = slowest(&store, |nth| MessageQuery {
        control_id: Some(format!("M{}", nth * 4_999).into()),
        limit: 20,
        ..MessageQuery::default()
    })
    .await?;
    table.row("find by control id among 1,000,000", by_control_id, "20 ms");
    let by_state = slowest(&store, |nth| MessageQuery {
        channel: Some(ChannelId::from("his/adt")),
        state: Some(if nth.is_multiple_of(2) { StateName::Filtered } else { StateName::Quarantined }),
        limit: 20,
        ..MessageQuery::default()
    })
    .await?;
    table.row("newest of a channel and state among 1,000,000", by_state, "20 ms");
    store.close().await;
    drop(store);
    let started = Instant::now();
    let store = Store::open(StoreOptions::new(folder.path().join("data"))).await?;
    let tally = store.tally().await?;
    table.row(
        format!(
            "open a store of {} messages, counters read",
            tally.iter().map(|tally| tally.count).sum::<u64>()
        ),
        format!("{} ms", started.elapsed().as_millis()),
        "500 ms",
    );
    store.close().await;
    Ok(())
}

async fn slowest(store: &Store, query: impl Fn(u64) -> MessageQuery) -> anyhow::Result<String> {
    let mut times = Vec::new();
    for nth in 0..200 {
        let query = query(nth);
        let started = Instant::now();
        let rows = store.find(&query).await?;
        times.push(started.elapsed());
        let expects_some = query.state != Some(StateName::Quarantined);
        anyhow::ensure!(rows.is_empty() != expects_some, "the search found the wrong number of messages");
    }
    times.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(format!("{:.1} / {:.1} ms", millis(times[100]), millis(times[199])))
}

fn message(nth: u64) -> Envelope<Raw> {
    let bytes =
        Bytes::from(format!("MSH|^~\\&|HIS|BENCH|HUB|HUB|20261123||ADT^A08|M{nth}|P|2.5.1\r{:200}", nth));
    let at = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + nth);
    let head = Head {
        id: MessageId::new(at),
        channel: ChannelId::from("his/adt"),
        dedupe: DedupeKey::from(format!("HIS|BENCH|M{nth}")),
        digest: Digest::of(&bytes),
        label: Label {
            message_type: Some("ADT^A08".into()),
            control_id: Some(format!("M{nth}").into()),
            sender: Some("HIS|BENCH".into()),
        },
        correlation: CorrelationId::from(""),
        received_at: at,
        peer: Peer::default(),
        parent: None,
    };
    Envelope { head, body: Raw(bytes) }
}
