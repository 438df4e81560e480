//! What the hub counts, for Prometheus. Labels are names of channels, steps and destinations: never ids, never content.

use std::time::Duration;

use hub_core::id::{ChannelId, DestinationId};
use hub_core::store::{ParcelState, StateName};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Names what is measured, once, when the hub starts.
pub fn describe() {
    describe_counter!("huitong_messages_ended_total", "Messages that ended, by channel and state");
    describe_counter!(
        "huitong_messages_refused_total",
        "Messages turned away at the door, by channel and reason"
    );
    describe_counter!("huitong_messages_duplicate_total", "Messages received again and not processed twice");
    describe_counter!(
        "huitong_control_ids_reused_total",
        "New messages under a control id that was used before"
    );
    describe_counter!(
        "huitong_lanes_held_total",
        "How often a lane was held at a message that failed: `waits` for another try, `stands` until a person decides"
    );
    describe_gauge!(
        "huitong_lanes_standing",
        "Lanes that stand at a message until a person decides, by channel"
    );
    describe_counter!("huitong_messages_replayed_total", "Messages processed again, by what came of it");
    describe_histogram!("huitong_step_seconds", metrics::Unit::Seconds, "Time a message spends in a step");
    describe_histogram!("huitong_message_seconds", metrics::Unit::Seconds, "Time from received to ended");
    describe_counter!("huitong_deliveries_total", "Tries to deliver a parcel, by destination and result");
    describe_histogram!("huitong_delivery_seconds", metrics::Unit::Seconds, "Time a partner takes to answer");
    describe_gauge!("huitong_queue_depth", "Parcels owed, by destination");
    describe_gauge!("huitong_parcels_stuck", "Parcels given up or in doubt that a person must look at");
    describe_gauge!("huitong_queue_oldest_seconds", metrics::Unit::Seconds, "Age of the oldest parcel owed");
    describe_gauge!("huitong_messages", "Messages in the journal, by channel and state");
    describe_gauge!("huitong_messages_in_flight", "Messages being worked on, by channel");
    describe_gauge!("huitong_circuit_open", "1 while nothing is sent because the partner fails");
}

/// A channel that is no more has nothing waiting: its alarms end.
pub(crate) fn forget_channel(channel: &ChannelId) {
    gauge!("huitong_messages_in_flight", "channel" => channel.to_string()).set(0.0);
    for state in StateName::ALL {
        gauge!("huitong_messages", "channel" => channel.to_string(), "state" => state.name()).set(0.0);
    }
}

/// The same for a destination.
pub(crate) fn forget_destination(to: &DestinationId) {
    for name in ["huitong_queue_depth", "huitong_queue_oldest_seconds", "huitong_circuit_open"] {
        gauge!(name, "destination" => to.to_string()).set(0.0);
    }
    for state in [ParcelState::GivenUp, ParcelState::InDoubt] {
        gauge!("huitong_parcels_stuck", "destination" => to.to_string(), "state" => state.name()).set(0.0);
    }
}

pub(crate) fn step(channel: &ChannelId, step: &'static str, took: Duration) {
    histogram!("huitong_step_seconds", "channel" => channel.to_string(), "step" => step)
        .record(took.as_secs_f64());
}

pub(crate) fn ended(channel: &ChannelId, state: &'static str, took: Duration) {
    counter!("huitong_messages_ended_total", "channel" => channel.to_string(), "state" => state).increment(1);
    histogram!("huitong_message_seconds", "channel" => channel.to_string()).record(took.as_secs_f64());
}

pub(crate) fn replayed(came: &'static str) {
    counter!("huitong_messages_replayed_total", "came" => came).increment(1);
}

pub(crate) fn refused(channel: &ChannelId, reason: &'static str) {
    counter!("huitong_messages_refused_total", "channel" => channel.to_string(), "reason" => reason)
        .increment(1);
}

pub(crate) fn duplicate(channel: &ChannelId) {
    counter!("huitong_messages_duplicate_total", "channel" => channel.to_string()).increment(1);
}

pub(crate) fn held(channel: &ChannelId, how: &'static str) {
    counter!("huitong_lanes_held_total", "channel" => channel.to_string(), "how" => how).increment(1);
}

pub(crate) fn reused(channel: &ChannelId) {
    counter!("huitong_control_ids_reused_total", "channel" => channel.to_string()).increment(1);
}

pub(crate) fn delivery(to: &DestinationId, result: &'static str, took: Duration) {
    counter!("huitong_deliveries_total", "destination" => to.to_string(), "result" => result).increment(1);
    histogram!("huitong_delivery_seconds", "destination" => to.to_string()).record(took.as_secs_f64());
}

pub(crate) fn circuit(to: &DestinationId, open: bool) {
    gauge!("huitong_circuit_open", "destination" => to.to_string()).set(if open { 1.0 } else { 0.0 });
}
