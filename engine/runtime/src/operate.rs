//! What operators ask of the running hub: how it stands, replay, retry.

use async_trait::async_trait;
use hub_core::cluster::Share;
use hub_core::id::MessageId;
use hub_core::operations::{
    ChannelStatus, DestinationStatus, HubStatus, Operations, ReplayReport, ReplayWhat, SkipReport,
};
use hub_core::store::{MessageQuery, ParcelState, RetryWhich, StateName, StoreError};

use crate::hub::Hub;

/// Messages looked up at a time when a filter is replayed.
const PAGE: u32 = 500;

#[async_trait]
impl Operations for Hub {
    async fn status(&self) -> Result<HubStatus, StoreError> {
        let tallies = self.house.journal.tally().await?;
        let depths = self.house.outbox.depth().await?;
        let now = self.house.clock.now();
        let channels = self
            .channels()
            .iter()
            .map(|channel| ChannelStatus {
                id: channel.id.clone(),
                about: channel.about(),
                address: channel.address(),
                running: channel.is_running(),
                waits_for: channel.waits_for(),
                tally: tallies.iter().filter(|tally| tally.channel == channel.id).cloned().collect(),
                in_flight: channel.backlog.in_flight(),
                held: channel.backlog.held_lanes(now),
            })
            .collect();
        let destinations = self
            .destinations()
            .iter()
            .map(|(id, destination)| DestinationStatus {
                id: id.clone(),
                depth: depths.iter().find(|depth| depth.to == *id).cloned(),
                circuit: destination.health.circuit_name(),
                last_error: destination.health.last_error(),
            })
            .collect();
        Ok(HubStatus {
            version: env!("CARGO_PKG_VERSION"),
            nodes: self.house.cluster.nodes().await?,
            started_at: self.started_at,
            unindexed: self.house.resources.unindexed().await?,
            channels,
            destinations,
        })
    }

    async fn replay(&self, what: ReplayWhat) -> Result<ReplayReport, StoreError> {
        let ids = match what {
            ReplayWhat::Messages(ids) => ids,
            // The list is made first: a replayed message may match again when it has ended once more.
            ReplayWhat::Matching(query) => self.matching(query).await?,
        };
        if let Some(deaths) = &self.house.deaths {
            deaths.forget(&ids);
        }
        let mut report = ReplayReport::default();
        let reopened = self.reopen(ids, &mut report).await;
        // What was opened again is worked on, also when the store has failed half-way. The channels of now are told: one that takes
        // the place of another begins by reading back.
        for channel in self.channels() {
            channel.backlog.look_again(&report.replayed);
            if channel.backlog.is_elsewhere() {
                self.house.cluster.tell(&Share::channel(&channel.id));
            }
        }
        reopened.map(|()| report)
    }

    async fn skip(&self, ids: Vec<MessageId>) -> Result<SkipReport, StoreError> {
        let mut report = SkipReport::default();
        for id in ids {
            let mut is_skipped = false;
            for channel in self.channels() {
                is_skipped |= channel.backlog.skip(id, &*self.house.journal).await?;
            }
            if is_skipped { report.skipped.push(id) } else { report.left.push(id) }
        }
        Ok(report)
    }

    async fn retry(&self, which: RetryWhich) -> Result<u64, StoreError> {
        let count = self.house.outbox.retry(&which).await?;
        self.wakers.wake_all();
        Ok(count)
    }
}

impl Hub {
    async fn reopen(&self, ids: Vec<MessageId>, report: &mut ReplayReport) -> Result<(), StoreError> {
        for id in ids {
            // One at which a lane stands has not ended; the lane goes on with it.
            let goes_on = self.channels().iter().any(|channel| channel.backlog.go_on(id));
            let reopened = goes_on || self.house.journal.reopen(id).await?;
            if reopened { report.replayed.push(id) } else { report.left.push(id) }
        }
        Ok(())
    }

    /// The messages a filter finds, oldest first, so that replay keeps their order.
    pub(crate) async fn matching(&self, query: MessageQuery) -> Result<Vec<MessageId>, StoreError> {
        let mut found = Vec::new();
        let mut page = MessageQuery { limit: PAGE.min(query.limit), ..query.clone() };
        loop {
            let rows = self.house.journal.find(&page).await?;
            let whole_page = rows.len() == page.limit as usize;
            found.extend(rows.iter().map(|row| row.id));
            let left = (query.limit as usize).saturating_sub(found.len());
            if !whole_page || left == 0 {
                found.reverse();
                return Ok(found);
            }
            page.before = found.last().copied();
            page.limit = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
        }
    }

    /// Sets the gauges that are read from the store: how many messages stand where, how much is owed.
    pub async fn gauge(&self) -> Result<(), StoreError> {
        use metrics::gauge;
        let status = self.status().await?;
        let now = self.house.clock.now();
        for channel in &status.channels {
            gauge!("huitong_messages_in_flight", "channel" => channel.id.to_string())
                .set(channel.in_flight as f64);
            let standing = channel.held.iter().filter(|lane| lane.stands()).count();
            gauge!("huitong_lanes_standing", "channel" => channel.id.to_string()).set(standing as f64);
            // Every state is set, also one that holds nothing any more: an alarm must be able to end.
            for state in StateName::ALL {
                let count = channel
                    .tally
                    .iter()
                    .filter(|tally| tally.state == state)
                    .map(|tally| tally.count)
                    .sum::<u64>();
                gauge!("huitong_messages", "channel" => channel.id.to_string(), "state" => state.name())
                    .set(count as f64);
            }
        }
        for destination in &status.destinations {
            let depth = destination.depth.as_ref();
            let oldest =
                depth.and_then(|depth| depth.oldest).map_or(0.0, |oldest| (now - oldest).as_seconds_f64());
            for (at, state) in ParcelState::ALL.into_iter().enumerate() {
                let count = depth.map_or(0, |depth| depth.counts[at]);
                match state {
                    // What was delivered is no queue; the deliveries' counter tells it.
                    ParcelState::Delivered => {}
                    ParcelState::Pending => {
                        gauge!("huitong_queue_depth", "destination" => destination.id.to_string())
                            .set(count as f64);
                    }
                    ParcelState::GivenUp | ParcelState::InDoubt => {
                        gauge!("huitong_parcels_stuck", "destination" => destination.id.to_string(), "state" => state.name())
                            .set(count as f64);
                    }
                }
            }
            gauge!("huitong_queue_oldest_seconds", "destination" => destination.id.to_string()).set(oldest);
        }
        Ok(())
    }
}
