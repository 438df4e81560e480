//! Ports that a hub keeps over its restarts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that systems give to whoever calls out, so that none is taken while a hub is down.
const FIRST: u16 = 20_000;
const MANY: u16 = 12_000;

/// A port that nobody uses now. Test processes begin at different ones.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % u32::from(MANY / 50)).unwrap() * 50;
    for _ in 0..MANY {
        let port = FIRST + (process + NEXT.fetch_add(1, Ordering::Relaxed)) % MANY;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("there is no free port");
}
