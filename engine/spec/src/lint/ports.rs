//! No two channels listen on one port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hub_core::finding::FindingKind;

use crate::read::Draft;
use crate::sheet::At;

/// An address that the channel at this place of the list will listen on.
pub(crate) struct Listening {
    /// Which channel.
    pub channel: usize,
    /// The address, and where the file says so.
    pub address: At<String>,
}

/// Finds the addresses that an earlier one takes already.
pub(crate) fn check(drafts: &mut [Draft], listening: &[Listening]) {
    for (nth, late) in listening.iter().enumerate() {
        let taken = listening[..nth].iter().find(|early| collide(&early.address.value, &late.address.value));
        let Some(early) = taken else { continue };
        let owner = &drafts[early.channel];
        let line = owner.sheet.line(early.address.span.start);
        let message = format!(
            "`{}` is taken: the channel `{}` listens on `{}` ({}:{line})",
            late.address.value,
            owner.id,
            early.address.value,
            owner.sheet.file.display(),
        );
        let help = Some("give one of them another port".to_owned());
        drafts[late.channel].sheet.report_with(FindingKind::PortTaken, &late.address.span, message, help);
    }
}

/// Whether one machine cannot listen on both. Port 0 is whichever is free, so it collides with none.
fn collide(a: &str, b: &str) -> bool {
    let (Some((host_a, port_a)), Some((host_b, port_b))) = (split(a), split(b)) else { return false };
    let is_everywhere = |host: &Host| matches!(host, Host::Address(address) if address.is_unspecified());
    port_a == port_b && port_a != 0 && (host_a == host_b || is_everywhere(&host_a) || is_everywhere(&host_b))
}

#[derive(PartialEq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

fn split(address: &str) -> Option<(Host, u16)> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Some((Host::Address(address.ip()), address.port()));
    }
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.to_ascii_lowercase().as_str() {
        "localhost" => Host::Address(Ipv4Addr::LOCALHOST.into()),
        "" => Host::Address(Ipv4Addr::UNSPECIFIED.into()),
        name => Host::Name(name.to_owned()),
    };
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_on_one_address_collides() {
        assert!(collide("127.0.0.1:2575", "127.0.0.1:2575"));
        assert!(collide("localhost:2575", "127.0.0.1:2575"));
        assert!(collide("lis.example:2575", "LIS.example:2575"));
    }

    #[test]
    fn all_addresses_collide_with_each() {
        assert!(collide("0.0.0.0:2575", "127.0.0.1:2575"));
        assert!(collide("10.0.0.7:2575", "[::]:2575"));
        assert!(collide(":2575", "10.0.0.7:2575"));
    }

    #[test]
    fn other_ports_and_other_addresses_do_not_collide() {
        assert!(!collide("127.0.0.1:2575", "127.0.0.1:2576"));
        assert!(!collide("127.0.0.1:2575", "10.0.0.7:2575"));
        assert!(!collide("nonsense", "nonsense"));
    }

    #[test]
    fn port_0_is_whichever_is_free() {
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
    }
}
