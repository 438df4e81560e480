//! The revocation endpoint (RFC 7009): an app says that its session is over. With either of its tokens the whole of it ends.

use axum::http::HeaderMap;
use hub_core::accounts::TokenDigest;

use crate::client::Refused;
use crate::parameters::Parameters;
use crate::server::Server;

impl Server {
    /// Answers a request. A token that is not known is as good as ended (RFC 7009 §2.2).
    pub(crate) async fn revoke(&self, headers: &HeaderMap, form: &Parameters) -> Result<(), Refused> {
        let client = self.client_of(headers, form).await?;
        let Some(token) = form.get("token") else {
            return Err(Refused::because("invalid_request", "`token` must be there"));
        };
        let of_refresh = self.accounts.session_of(&TokenDigest::of(token)).await?;
        let session = match of_refresh {
            Some(session) => (session.client == client.id).then_some(session.id),
            None => {
                let claims = self.claims(token).await?;
                let own = claims.filter(|claims| claims.client_id == client.id.as_str());
                own.and_then(|claims| claims.sid).map(Into::into)
            }
        };
        if let Some(session) = session {
            self.accounts.end_session(&session, self.now()).await?;
        }
        Ok(())
    }
}
