//! In which order channels start, and stop the other way round.

use std::collections::BTreeMap;

use hub_core::id::ChannelId;

/// The channels in groups: each starts after all it waits for, which stand in groups before its own. `after` says what a channel
/// waits for; names that are not among the channels are waited for by nobody.
///
/// Channels that wait for each other, which the lint refuses, stand in one last group.
pub fn groups(after: &BTreeMap<ChannelId, Vec<ChannelId>>) -> Vec<Vec<ChannelId>> {
    let mut left: Vec<&ChannelId> = after.keys().collect();
    let mut groups: Vec<Vec<ChannelId>> = Vec::new();
    while !left.is_empty() {
        let waits = |id: &ChannelId| after[id].iter().any(|first| left.contains(&first));
        let (rest, next): (Vec<&ChannelId>, Vec<&ChannelId>) = left.iter().partition(|id| waits(id));
        let (rest, next) = if next.is_empty() { (next, rest) } else { (rest, next) };
        groups.push(next.into_iter().cloned().collect());
        left = rest;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(after: &[(&str, &[&str])]) -> Vec<String> {
        let after = after
            .iter()
            .map(|(id, first)| (ChannelId::from(id), first.iter().map(ChannelId::from).collect()))
            .collect();
        let names = |group: &Vec<ChannelId>| group.iter().map(ToString::to_string).collect::<Vec<_>>();
        groups(&after).iter().map(|group| names(group).join(" ")).collect()
    }

    #[test]
    fn channels_without_an_order_are_one_group() {
        assert_eq!(shown(&[("a", &[]), ("b", &[]), ("c", &[])]), ["a b c"]);
        assert!(shown(&[]).is_empty());
    }

    #[test]
    fn each_channel_stands_after_all_it_waits_for() {
        let told = shown(&[("a", &["b", "d"]), ("b", &["c"]), ("c", &[]), ("d", &["gone"]), ("e", &["c"])]);
        assert_eq!(told, ["c d", "b e", "a"]);
    }

    #[test]
    fn those_that_wait_for_each_other_come_last() {
        assert_eq!(shown(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]), ["c", "a b"]);
    }
}
