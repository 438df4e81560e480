//! What the pure steps cost: parse, and the whole walk from bytes to commit, on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_runtime::steps::{Road, Walked};
use hub_spec::Project;

use super::people;
use super::table::Table;
use crate::test::{at_the_door, road};

/// Each figure is the best of so many rounds: what the code costs when nothing else disturbs it.
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(200);

/// Measures the pure steps of both flows.
pub fn measure(project: Project, table: &mut Table) -> anyhow::Result<()> {
    for channel in project.channels {
        let (name, message, target) = match channel.id.as_str() {
            "his/adt" => ("ADT of 1 kB", people::adt(1), "70 µs parse and map"),
            "lis/oru-r01" => ("ORU with 20 OBX", people::oru(1), ""),
            _ => continue,
        };
        let road = Road { typed_check: None, ..road(channel)? };
        let size = message.len();
        walked(&road, &message).map_err(anyhow::Error::msg)?;
        let parse = cost(|| black_box(road.parser.parse(black_box(&message)).is_ok()));
        let document = road
            .parser
            .parse(&message)
            .map_err(|error| anyhow::anyhow!("the bench's own message: {error}"))?;
        let map = cost(|| black_box(road.channel.mapping.run(black_box(&*document)).is_ok()));
        let walk = cost(|| walked(&road, &message).is_ok());
        let checked = Road { typed_check: Some(hub_r4b::check), ..road };
        walked(&checked, &message).map_err(anyhow::Error::msg)?;
        let typed = cost(|| walked(&checked, &message).is_ok()).saturating_sub(walk);
        table.row(format!("{name} ({size} bytes): parse"), micros(parse), target);
        table.row(format!("{name}: map"), micros(map), "");
        table.row(
            format!("{name}: whole walk (parse, filter, map, validate by the tables, route)"),
            micros(walk),
            "",
        );
        table.row(format!("{name}: the typed check by fhir-sdk, when switched on"), micros(typed), "");
    }
    Ok(())
}

fn walked(road: &Road, message: &Bytes) -> Result<(), String> {
    match black_box(road.walk(at_the_door(road, message.clone()))) {
        Walked::Mapped(_) => Ok(()),
        Walked::Ended(_, end, _) => Err(format!("the bench's own message does not map: {end:?}")),
    }
}

pub(super) fn cost(mut act: impl FnMut() -> bool) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut times = 0u32;
        while started.elapsed() < ROUND {
            assert!(act(), "what is measured must succeed");
            times += 1;
        }
        best = best.min(started.elapsed() / times);
    }
    best
}

pub(super) fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
