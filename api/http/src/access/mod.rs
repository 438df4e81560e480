//! Who is let in at the doors, and what he may see there.
//!
//! Whoever shows an access token is known by it: his roles decide which types he sees and writes ([`roles`]), and the visit persons of his
//! account which of their resources ([`seen`]). Each access is noted ([`audit`]) before it is answered.

pub(crate) mod audit;
mod private;
mod roles;
pub(crate) mod seen;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::{Extensions, StatusCode};
use hub_core::caller;
use hub_core::store::{Resources, StoreError};
use hub_core::who::{Gatekeeper, NotLetIn, Role, Who};
use hub_fhir::sight::Sight;
use hub_fhir::{Json, Reference, ResourceType};
use time::OffsetDateTime;

pub use self::audit::Clerk;
use self::audit::{Done, NotNoted};
use self::roles::{may, public};
use self::seen::{Seen, Touched, tree_of};
use crate::observe::RequestId;

/// Who is let in at the doors.
#[derive(Clone)]
pub struct Access {
    /// Tells who holds a token; `None`: nobody can have one.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// Whoever comes without a token sees and does everything.
    pub is_open: bool,
    /// How many proxies of the house stand before the hub ([`caller::address`]).
    pub proxies: usize,
    /// Notes what was accessed; `None`: nothing is noted.
    pub clerk: Option<Clerk>,
}

impl Access {
    /// Everybody sees and does everything.
    pub fn open() -> Self {
        Self { gatekeeper: None, is_open: true, proxies: 0, clerk: None }
    }
}

/// Who stands at a door.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Somebody, at an open door.
    Anybody,
    /// Who holds the token.
    Known(Box<Who>),
}

impl Caller {
    /// Who it is.
    pub fn who(&self) -> Option<&Who> {
        match self {
            Self::Known(who) => Some(who),
            Self::Anybody => None,
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) enum Closed {
    /// There is no token, or it does not let in.
    SignIn,
    /// The account is disabled (ACC-10).
    Disabled,
    /// It cannot be found out.
    Store(StoreError),
}

impl Access {
    /// Who asks. A token that does not let in is told, also at an open door.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Closed> {
        match headers.get(AUTHORIZATION) {
            None if self.is_open => Ok(Caller::Anybody),
            _ => Ok(Caller::Known(Box::new(self.who(headers).await?))),
        }
    }

    /// Who the access token was given to (RFC 6750).
    pub(crate) async fn who(&self, headers: &HeaderMap) -> Result<Who, Closed> {
        let token = headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok());
        let token = token.and_then(|given| {
            let (scheme, token) = given.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let (Some(token), Some(gatekeeper)) = (token, &self.gatekeeper) else { return Err(Closed::SignIn) };
        gatekeeper.who(token).await.map_err(|error| match error {
            NotLetIn::Invalid => Closed::SignIn,
            NotLetIn::Disabled => Closed::Disabled,
            NotLetIn::Store(error) => Closed::Store(error),
        })
    }

    /// Where a request comes from, as far as it can be known.
    pub(crate) fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let told = headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok());
        caller::address(peer, told, self.proxies)
    }
}

/// The store as this caller sees it.
pub(crate) async fn seen_by(who: &Who, resources: &Arc<dyn Resources>) -> Result<Arc<Seen>, StoreError> {
    let may = may(&who.roles);
    let sight = match may.reads.len() == ResourceType::all().count() {
        true => Sight::everything(),
        false => {
            let patients = match &who.is {
                Some(is) if !may.reads_own.is_empty() => visit_persons(is, &**resources).await?,
                _ => Vec::new(),
            };
            Sight::of(may.reads, may.reads_own, patients, who.is.clone())
        }
    };
    let (inner, touched) = (Arc::clone(resources), Mutex::<Touched>::default());
    let is_veiled = !who.roles.iter().any(|role| role.is_staff() || *role == Role::System);
    let account = Some(who.account.clone());
    Ok(Arc::new(Seen { inner, account, sight, is_veiled, writes: may.writes, touched }))
}

/// The store as everybody sees it, who has not signed in.
pub(crate) fn seen_by_everybody(resources: &Arc<dyn Resources>) -> Arc<Seen> {
    let may = public();
    let sight = Sight::of(may.reads.iter().copied(), [], Vec::new(), None);
    let (inner, touched) = (Arc::clone(resources), Mutex::<Touched>::default());
    Arc::new(Seen { inner, account: None, sight, is_veiled: true, writes: HashSet::new(), touched })
}

/// Whether everybody reads a type, who has not signed in.
pub(crate) fn is_public(kind: ResourceType) -> bool {
    public().reads.contains(&kind)
}

/// The visit persons 就诊人 of an account: what its Person links to now.
async fn visit_persons(is: &Reference, resources: &dyn Resources) -> Result<Vec<Reference>, StoreError> {
    let stored = resources.read(is).await?.filter(|stored| is.kind.name() == "Person" && !stored.deleted);
    let person = stored.as_ref().and_then(tree_of);
    let links = person.as_ref().and_then(|person| person.get("link")).map(Json::items).unwrap_or_default();
    let target = |link: &Json| Reference::parse(link.at(&["target", "reference"])?.as_str()?).ok();
    Ok(links.iter().filter_map(target).filter(|target| target.kind.name() == "Patient").collect())
}

/// The status of an answer to somebody who is not let in.
pub(crate) fn status(closed: &Closed) -> StatusCode {
    match closed {
        Closed::SignIn => StatusCode::UNAUTHORIZED,
        Closed::Disabled => StatusCode::FORBIDDEN,
        Closed::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An access that is under way.
pub(crate) struct Noting<'a> {
    access: &'a Access,
    door: &'static str,
    address: Option<IpAddr>,
    path: String,
    query: Option<String>,
    request: String,
}

impl<'a> Noting<'a> {
    /// Keeps of a request what is to be noted.
    pub fn begin(access: &'a Access, door: &'static str, request: &Request) -> Self {
        let (headers, extensions) = (request.headers(), request.extensions());
        Self {
            access,
            door,
            address: access.address(headers, extensions),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            request: extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        }
    }

    /// Writes the access down, with what it was and how it was answered. Until then nothing may go out.
    pub async fn end(
        self,
        name: &str,
        who: &Who,
        status: StatusCode,
        touched: Touched,
    ) -> Result<(), NotNoted> {
        let Some(clerk) = &self.access.clerk else { return Ok(()) };
        let event = audit::event(&Done {
            who,
            address: self.address,
            at: OffsetDateTime::now_utc(),
            door: self.door,
            name,
            path: &self.path,
            query: self.query.as_deref(),
            status,
            request: &self.request,
            touched,
        });
        clerk.note(event).await
    }
}
