//! What apps read before they begin: the metadata of the server (RFC 8414, OpenID Connect Discovery, SMART App Launch).

use hub_core::language::Language;
use serde_json::{Map, Value, json};

use crate::jwk::ALGORITHMS;
use crate::server::{SCOPES, Server};

impl Server {
    /// The metadata of RFC 8414 and of OpenID Connect Discovery, which are one.
    pub(crate) fn metadata(&self) -> Value {
        let mut all = self.shared();
        all.insert("response_modes_supported".to_owned(), json!(["query"]));
        all.insert("authorization_response_iss_parameter_supported".to_owned(), json!(true));
        all.insert("revocation_endpoint_auth_methods_supported".to_owned(), json!(METHODS));
        all.insert("revocation_endpoint_auth_signing_alg_values_supported".to_owned(), json!(ALGORITHMS));
        all.insert("ui_locales_supported".to_owned(), json!(Language::ALL.map(Language::tag)));
        all.insert("subject_types_supported".to_owned(), json!(["public"]));
        all.insert("id_token_signing_alg_values_supported".to_owned(), json!(["ES256"]));
        all.insert(
            "claims_supported".to_owned(),
            json!(["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "fhirUser"]),
        );
        all.insert("request_parameter_supported".to_owned(), json!(false));
        all.insert("request_uri_parameter_supported".to_owned(), json!(false));
        Value::Object(all)
    }

    /// What apps for health records read (SMART App Launch 2.2, conformance).
    pub(crate) fn smart_configuration(&self) -> Value {
        let mut all = self.shared();
        all.insert(
            "capabilities".to_owned(),
            json!([
                "launch-standalone",
                "client-public",
                "client-confidential-asymmetric",
                "sso-openid-connect"
            ]),
        );
        Value::Object(all)
    }

    /// What stands in both.
    fn shared(&self) -> Map<String, Value> {
        let address = |path| self.settings.address(path);
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| {
            all.insert(name.to_owned(), value);
        };
        set("issuer", json!(self.settings.issuer()));
        set("authorization_endpoint", json!(address("/oauth/authorize")));
        set("token_endpoint", json!(address("/oauth/token")));
        set("revocation_endpoint", json!(address("/oauth/revoke")));
        set("jwks_uri", json!(address("/oauth/jwks")));
        set("scopes_supported", json!(SCOPES));
        set("response_types_supported", json!(["code"]));
        set("grant_types_supported", json!(["authorization_code", "refresh_token", "client_credentials"]));
        set("code_challenge_methods_supported", json!(["S256"]));
        set("token_endpoint_auth_methods_supported", json!(METHODS));
        set("token_endpoint_auth_signing_alg_values_supported", json!(ALGORITHMS));
        all
    }
}

/// How clients prove themselves; public apps cannot.
const METHODS: [&str; 2] = ["none", "private_key_jwt"];
