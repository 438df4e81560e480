//! How a client proves itself: by a token it has signed with its own key (RFC 7521 §4.2, RFC 7523 §3).

use hub_core::accounts::{Client, TokenDigest};
use hub_core::store::StoreError;
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::jwk::{self, ALGORITHMS};
use crate::jws;
use crate::server::Server;

/// What `client_assertion_type` must be.
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest an assertion may live (SMART App Launch, asymmetric authentication).
const LONGEST: Duration = Duration::minutes(5);
/// Clocks may differ.
const DRIFT: Duration = Duration::seconds(30);
/// The longest `jti`.
const MOST_JTI: usize = 255;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is (RFC 7515 §4.1.11).
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Value,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: String,
}

/// Who an assertion says it is of. Proves nothing.
pub(crate) fn claimed(assertion: &str) -> Option<String> {
    let read = jws::read(assertion)?;
    serde_json::from_slice::<Assertion>(&read.payload).ok().map(|assertion| assertion.iss)
}

/// Whether an assertion proves this client. It does so once.
pub(crate) async fn proves(server: &Server, client: &Client, assertion: &str) -> Result<bool, StoreError> {
    let now = server.now();
    let Some((jti, until)) = checked(server, client, assertion, now) else { return Ok(false) };
    // Last: what does not hold uses up no name of one that does.
    server.accounts.first_use(&client.id, &TokenDigest::of(&jti), until).await
}

/// Its `jti` and how long it must be remembered, where everything else holds.
fn checked(
    server: &Server,
    client: &Client,
    assertion: &str,
    now: OffsetDateTime,
) -> Option<(String, OffsetDateTime)> {
    let read = jws::read(assertion)?;
    let header: Header = serde_json::from_str(&read.header).ok()?;
    if header.crit.is_some() || !ALGORITHMS.contains(&header.alg.as_str()) {
        return None;
    }
    let keys = jwk::read(client.keys.as_deref()?).ok()?;
    let suiting = keys.iter().filter(|key| key.suits(&header.alg, header.kid.as_deref()));
    if !suiting.into_iter().any(|key| key.verifies(&header.alg, read.signed, &read.signature)) {
        return None;
    }
    let said: Assertion = serde_json::from_slice(&read.payload).ok()?;
    let is_own = said.iss == client.id.as_str() && said.sub == client.id.as_str();
    if !is_own || !is_for(server, &said.aud) || said.jti.is_empty() || said.jti.len() > MOST_JTI {
        return None;
    }
    let at = now.unix_timestamp() as f64;
    let (drift, longest) = (DRIFT.as_seconds_f64(), LONGEST.as_seconds_f64());
    let is_in_time = said.exp > at - drift && said.exp <= at + longest + drift;
    let has_begun = [said.nbf, said.iat].into_iter().flatten().all(|begins| begins <= at + drift);
    // A little longer than it can be used.
    (is_in_time && has_begun).then(|| (said.jti, now + LONGEST + DRIFT * 3))
}

/// Whether it is for this server and nobody else, so that no other server it is shown to can use it here (RFC 9700 §4.9.1): its issuer, or
/// the address it is sent to.
fn is_for(server: &Server, audience: &Value) -> bool {
    let audience = match audience {
        Value::String(one) => Some(one.as_str()),
        Value::Array(list) => list.first().filter(|_| list.len() == 1).and_then(Value::as_str),
        _ => None,
    };
    audience.is_some_and(|audience| {
        audience == server.settings.issuer() || audience == server.settings.address("/oauth/token")
    })
}
