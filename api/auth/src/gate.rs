//! Who holds an access token: the signature says who it was given to, the store whether that still holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use compact_str::{CompactString, format_compact};
use hub_core::accounts::{ClientKind, Standing};
use hub_core::store::StoreError;
use hub_core::who::{Gatekeeper, NotLetIn, Role, Who};
use hub_fhir::{Id, Reference};
use time::{Duration, OffsetDateTime};

use crate::keys::KeyError;
use crate::local::LocalTokens;
use crate::server::Server;
use crate::token::Claims;

/// How long what the store said is believed. A disabled account is out within a minute (ACC-10).
const BELIEVED: Duration = Duration::seconds(30);
/// So many answers are remembered.
const REMEMBERED: usize = 10_000;

/// What the store said of a session or a system.
#[derive(Clone)]
enum Known {
    Session(Arc<Standing>),
    System { roles: Vec<Role>, is: Option<Reference> },
    Disabled,
    Nothing,
}

/// Lets in whoever holds a token of the server's, or of this node's command line.
pub struct Gate {
    server: Arc<Server>,
    local: Option<LocalTokens>,
    known: Mutex<HashMap<CompactString, (OffsetDateTime, Known)>>,
}

impl Gate {
    /// For the tokens of this server and, where they are given, those of the command line.
    pub fn new(server: Arc<Server>, local: Option<LocalTokens>) -> Self {
        Self { server, local, known: Mutex::default() }
    }

    async fn known(&self, claims: &Claims, now: OffsetDateTime) -> Result<Known, StoreError> {
        let key = match &claims.sid {
            Some(session) => format_compact!("session {session}"),
            None => format_compact!("system {}", claims.client_id),
        };
        if let Some((at, known)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && *at <= now
            && now < *at + BELIEVED
        {
            return Ok(known.clone());
        }
        let known = self.asked(claims).await?;
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, (at, _)| now < *at + BELIEVED);
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        all.insert(key, (now, known.clone()));
        Ok(known)
    }

    async fn asked(&self, claims: &Claims) -> Result<Known, StoreError> {
        let accounts = &self.server.accounts;
        if let Some(session) = &claims.sid {
            return Ok(match accounts.standing(session).await? {
                Some(standing) if standing.account.disabled.is_some() => Known::Disabled,
                Some(standing) => Known::Session(Arc::new(standing)),
                None => Known::Nothing,
            });
        }
        let Ok(id) = Id::new(&claims.client_id) else { return Ok(Known::Nothing) };
        Ok(match accounts.client(&id).await? {
            Some(client) if client.is_disabled => Known::Disabled,
            Some(client) => match client.kind {
                ClientKind::System { roles, is } => Known::System { roles, is },
                ClientKind::App { .. } => Known::Nothing,
            },
            None => Known::Nothing,
        })
    }
}

#[async_trait]
impl Gatekeeper for Gate {
    async fn who(&self, token: &str) -> Result<Who, NotLetIn> {
        if let Some(local) = &self.local
            && let Ok(who) = local.who(token).await
        {
            return Ok(who);
        }
        let claims = self.server.claims(token).await.map_err(not_known)?.ok_or(NotLetIn::Invalid)?;
        let now = self.server.now();
        let who = claims.who().ok_or(NotLetIn::Invalid)?;
        match self.known(&claims, now).await.map_err(NotLetIn::Store)? {
            // What it may be now, not what it might be when it signed in (ACC-14).
            Known::Session(standing) => {
                let Standing { session, account } = &*standing;
                let is_the_same = account.id == who.account && session.client.as_str() == who.client;
                if !is_the_same || !session.stands(now) || account.roles.is_empty() {
                    return Err(NotLetIn::Invalid);
                }
                Ok(Who { roles: account.roles.clone(), is: account.is.clone(), ..who })
            }
            Known::System { roles, is } if who.account.as_str() == who.client && !roles.is_empty() => {
                Ok(Who { roles, is, ..who })
            }
            Known::Disabled => Err(NotLetIn::Disabled),
            Known::System { .. } | Known::Nothing => Err(NotLetIn::Invalid),
        }
    }
}

/// A key that is damaged lets nobody in; a store that cannot be read may do so later.
fn not_known(error: KeyError) -> NotLetIn {
    match error {
        KeyError::Store(error) => NotLetIn::Store(error),
        KeyError::Chance(_) | KeyError::Damaged(_) => NotLetIn::Invalid,
    }
}
