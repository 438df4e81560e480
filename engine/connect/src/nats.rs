//! The way to a NATS server: where it is, how one shows who one is, and a connection that makes itself again.

use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use hub_core::registry::{BuildError, Secrets};
use hub_transport::tls::TlsClient;
use serde::Deserialize;
use tracing::{error, info, warn};

use crate::tls::{at_least_one, wrong};

/// Whom a client of a NATS server trusts and what it shows, by the names of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsTls {
    /// The secret with the authority that the server's certificate is signed by. Without it: those of the system.
    pub authority: Option<String>,
    /// The secret with the certificate chain and private key to show, both PEM.
    pub certificate: Option<String>,
}

/// How a client says who it is. One way of the four.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsLogin {
    /// The secret with a credentials file (`.creds`), whole.
    pub credentials: Option<String>,
    /// The secret with the seed of an NKey.
    pub nkey: Option<String>,
    /// The secret with a token.
    pub token: Option<String>,
    /// A user's name.
    pub user: Option<String>,
    /// The secret with the user's password.
    pub password: Option<String>,
}

/// Who a client is, with the secrets themselves.
#[derive(Clone)]
enum Identity {
    Nobody,
    Credentials(String),
    NKey(String),
    Token(String),
    User(String, String),
}

/// What the settings say of the way to a server.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub servers: &'a [String],
    pub tls: Option<&'a NatsTls>,
    pub login: Option<&'a NatsLogin>,
    pub connect_secs: u64,
}

/// The way to a server.
#[derive(Clone)]
pub(crate) struct Way {
    servers: Vec<ServerAddr>,
    tls: Option<TlsClient>,
    identity: Identity,
    connect: Duration,
}

impl Way {
    /// Makes it of its settings. Touches nothing outside.
    pub fn build(settings: Settings<'_>, secrets: &dyn Secrets) -> Result<Self, BuildError> {
        at_least_one("connect_secs", settings.connect_secs)?;
        if settings.servers.is_empty() {
            return Err(wrong(
                "servers",
                "`servers` is empty: expected at least one such as `nats://127.0.0.1:4222`",
            ));
        }
        let servers: Vec<ServerAddr> =
            settings.servers.iter().map(|text| server(text)).collect::<Result<_, _>>()?;
        let wants_tls = servers.iter().any(ServerAddr::tls_required);
        let tls = match settings.tls {
            None if !wants_tls => None,
            tls => {
                let tls = tls.cloned().unwrap_or_default();
                let secret =
                    |name: &Option<String>| name.as_deref().map(|name| secrets.get(name)).transpose();
                let client = TlsClient {
                    ca_pem: secret(&tls.authority)?,
                    identity_pem: secret(&tls.certificate)?.map(|both| (both.clone(), both)),
                    server_name: None,
                };
                // What cannot be read is told now, not at the first connection.
                client.config().map_err(|error| wrong("tls", error.to_string()))?;
                Some(client)
            }
        };
        let identity = settings.login.map_or(Ok(Identity::Nobody), |login| identity(login, secrets))?;
        Ok(Self { servers, tls, identity, connect: Duration::from_secs(settings.connect_secs) })
    }

    /// Connects. The connection makes itself again when it is lost, for as long as anybody holds it.
    pub async fn connect(&self) -> Result<Client, String> {
        let mut options = ConnectOptions::new()
            .name("huitong")
            .connection_timeout(self.connect)
            .max_reconnects(None)
            .event_callback(async |event| tell(&event));
        if let Some(tls) = &self.tls {
            let config = tls.config().map_err(|error| error.to_string())?;
            options = options.require_tls(true).tls_client_config((*config).clone());
        }
        let options = match &self.identity {
            Identity::Nobody => options,
            Identity::Credentials(file) => {
                options.credentials(file).map_err(|_| "the credentials cannot be read".to_owned())?
            }
            Identity::NKey(seed) => options.nkey(seed.clone()),
            Identity::Token(token) => options.token(token.clone()),
            Identity::User(user, password) => options.user_and_password(user.clone(), password.clone()),
        };
        // All servers are tried, one after the other, each within its own time.
        let connected = options.connect(self.servers.clone()).await;
        connected.map_err(|error| match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                "the server does not let this client in: see `login`".to_owned()
            }
            ConnectErrorKind::Tls => format!("TLS cannot be set up: {}", whole(&error)),
            _ => format!("no connection: {}", whole(&error)),
        })
    }
}

/// An error with what stands behind it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(cause) = behind {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        behind = cause.source();
    }
    text
}

/// Whether a stream or a consumer can be called so.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |letter: char| {
        !letter.is_whitespace() && !letter.is_control() && !matches!(letter, '.' | '*' | '>' | '/' | '\\')
    };
    !text.is_empty() && text.chars().all(fits)
}

/// What is said of one that cannot.
pub(crate) fn no_name(text: &str) -> String {
    format!("`{text}` is no name: expected one such as `ADT`, without blanks, `.`, `*`, `>`, `/` and `\\`")
}

fn server(text: &str) -> Result<ServerAddr, BuildError> {
    let expected = |why: &str| {
        wrong(
            "servers",
            format!("`{text}`{why}: expected `nats://host:port` or, with TLS, `tls://host:port`"),
        )
    };
    if text.contains('@') {
        // Not shown: what stands before the sign may be a password.
        return Err(wrong("servers", "a server's address holds a login: name it in `login`, by its secret"));
    }
    let address: ServerAddr = text.parse().map_err(|_| expected(" is no server"))?;
    let is_plain = matches!(address.scheme(), "nats" | "tls") && !address.host().is_empty();
    let rest = address.as_url_str().trim_end_matches('/');
    let has_path = rest.split_once("://").is_none_or(|(_, rest)| rest.contains(['/', '?', '#']));
    if text.contains("://") && is_plain && !has_path { Ok(address) } else { Err(expected(" is no server")) }
}

fn identity(login: &NatsLogin, secrets: &dyn Secrets) -> Result<Identity, BuildError> {
    let expected = || {
        wrong(
            "login",
            "`login` says who the hub is in one way: expected one of `credentials`, `nkey`, `token`, or `user` with `password`",
        )
    };
    let secret = |name: &str| secrets.get(name).map(|value| value.trim().to_owned());
    let NatsLogin { credentials, nkey, token, user, password } = login;
    let identity = match (credentials, nkey, token, user, password) {
        // Its last line has to end, as it does in the file itself.
        (Some(name), None, None, None, None) => Identity::Credentials(secret(name)? + "\n"),
        (None, Some(name), None, None, None) => Identity::NKey(secret(name)?),
        (None, None, Some(name), None, None) => Identity::Token(secret(name)?),
        (None, None, None, Some(user), Some(name)) => Identity::User(user.clone(), secret(name)?),
        _ => return Err(expected()),
    };
    if let Identity::Credentials(file) = &identity {
        // The parser's own words could show what it stumbled over.
        ConnectOptions::new().credentials(file).map_err(|_| {
            wrong("login", "the secret of `login.credentials` is no credentials file: expected a JWT and a seed, as `nsc` writes them")
        })?;
    }
    Ok(identity)
}

/// A connection's own life. What a server says of a subject is not told: subjects may be made of what patients are known by.
fn tell(event: &Event) {
    match event {
        Event::Connected => info!("The connection to NATS is there."),
        Event::Disconnected => warn!("The connection to NATS is lost; it makes itself again."),
        Event::LameDuckMode => info!("The NATS server goes down soon; the connection moves to another."),
        Event::SlowConsumer(_) => warn!("Messages of NATS came faster than they could be taken."),
        Event::ServerError(ServerError::AuthorizationViolation) => {
            error!("The NATS server does not let this client in.");
        }
        Event::ServerError(ServerError::Other(what)) if what.to_ascii_lowercase().contains("permissions") => {
            error!("The NATS server does not allow this client what it asked for (permissions violation).");
        }
        Event::ServerError(_) => warn!("The NATS server reports an error."),
        Event::ClientError(_) | Event::Draining | Event::Closed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneSecret;

    impl Secrets for OneSecret {
        fn get(&self, name: &str) -> Result<String, BuildError> {
            match name {
                "known" => Ok("s3cret".to_owned()),
                _ => Err(BuildError::Secret { name: name.to_owned() }),
            }
        }
    }

    fn built(servers: &[&str], login: Option<&str>) -> Result<Way, BuildError> {
        let servers: Vec<String> = servers.iter().map(|text| (*text).to_owned()).collect();
        let login: Option<NatsLogin> = login.map(|text| toml::from_str(text).unwrap());
        let settings = Settings { servers: &servers, tls: None, login: login.as_ref(), connect_secs: 1 };
        Way::build(settings, &OneSecret)
    }

    #[test]
    fn what_is_no_server_is_refused_and_a_password_in_an_address_is_not_shown() {
        assert!(built(&["nats://127.0.0.1:4222", "nats://[::1]:4222", "tls://hub.test:4222/"], None).is_ok());
        for servers in
            [&[][..], &["127.0.0.1:4222"], &["http://a:1"], &["ws://a:1"], &["nats://a:1/x"], &["nats://"]]
        {
            let error = built(servers, None).err().unwrap();
            assert!(
                matches!(&error, BuildError::Settings { key: Some(key), .. } if key == "servers"),
                "{servers:?}"
            );
            assert!(error.to_string().contains("expected"), "{error}");
        }
        let error = built(&["nats://me:s3cret@a:1"], None).err().unwrap().to_string();
        assert!(error.contains("login") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn there_is_one_way_to_say_who_one_is() {
        for login in ["token = 'known'", "nkey = 'known'", "user = 'hub'\npassword = 'known'"] {
            assert!(built(&["nats://a:1"], Some(login)).is_ok(), "{login}");
        }
        for login in ["", "user = 'hub'", "password = 'known'", "token = 'known'\nnkey = 'known'"] {
            let error = built(&["nats://a:1"], Some(login)).err().unwrap();
            assert!(
                matches!(&error, BuildError::Settings { key: Some(key), .. } if key == "login"),
                "{login}"
            );
        }
        let unset = built(&["nats://a:1"], Some("token = 'other'")).err();
        assert_eq!(unset, Some(BuildError::Secret { name: "other".to_owned() }));
        let bad = built(&["nats://a:1"], Some("credentials = 'known'")).err().unwrap().to_string();
        assert!(bad.contains("credentials file") && !bad.contains("s3cret"), "{bad}");
    }
}
