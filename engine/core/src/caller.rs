//! Where a request comes from.

use std::net::IpAddr;

/// The address a request comes from: the other end of the connection, or, where `proxies` of the house's own stand before the hub, what
/// the outermost of them has added to `X-Forwarded-For`. `told`: the lines of that header, in order. What stands further left the client
/// may have written; where less is told than there should be, the other end is all that is known.
pub fn address<'t>(
    peer: Option<IpAddr>,
    told: impl IntoIterator<Item = &'t str>,
    proxies: usize,
) -> Option<IpAddr> {
    let all: Vec<&str> = told.into_iter().flat_map(|line| line.split(',')).map(str::trim).collect();
    let told = match proxies {
        0 => None,
        proxies => all.len().checked_sub(proxies).and_then(|nth| all.get(nth)?.parse().ok()),
    };
    told.or(peer).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_writes_is_not_believed() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let told = |lines: &[&str], proxies| {
            address(Some(peer), lines.iter().copied(), proxies).unwrap().to_string()
        };
        assert_eq!(told(&["1.2.3.4"], 0), "10.0.0.1", "no proxy adds anything");
        assert_eq!(told(&["6.6.6.6, 1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(told(&["6.6.6.6, 1.2.3.4", "10.0.0.9"], 2), "1.2.3.4");
        assert_eq!(told(&["nonsense"], 1), "10.0.0.1");
        assert_eq!(told(&[], 1), "10.0.0.1");
        assert_eq!(told(&["::ffff:1.2.3.4"], 1), "1.2.3.4");
        assert_eq!(address(None, [], 0), None);
    }
}
