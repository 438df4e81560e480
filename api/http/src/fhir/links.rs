//! Writes the addresses of Bundles' links, and finds out by which address the client knows this server.

use std::fmt::Write as _;

use axum::http::Uri;
use axum::http::header::{HOST, HeaderMap};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in the links of this server when a client does not say which host it means.
const NO_HOST: &str = "localhost";

/// What need not be escaped in a query: the signs of FHIR's searches stay readable.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b',')
    .remove(b'$')
    .remove(b'*');

/// The FHIR base without a slash at its end.
pub(crate) fn base(configured: Option<&str>, headers: &HeaderMap, uri: &Uri) -> String {
    if let Some(configured) = configured {
        return format!("{}/fhir", configured.trim_end_matches('/'));
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    // Only what can be a host and port gets into an answer.
    let is_host = |host: &&str| {
        (1..=255).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
    };
    format!("http://{}/fhir", host.filter(is_host).unwrap_or(NO_HOST))
}

/// The address of `path` below the base, or of the base itself, with these parameters.
pub(crate) fn address(base: &str, path: &str, pairs: &[(String, String)]) -> String {
    let mut url = match path {
        "" => base.to_owned(),
        _ => format!("{base}/{path}"),
    };
    for (at, (name, value)) in pairs.iter().enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        let (name, value) = (utf8_percent_encode(name, ESCAPED), utf8_percent_encode(value, ESCAPED));
        write!(url, "{mark}{name}={value}").expect("writing to a string succeeds");
    }
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query;

    #[test]
    fn the_host_of_the_request_is_used_unless_it_is_strange() {
        let mut headers = HeaderMap::new();
        let uri = Uri::from_static("/fhir/Patient");
        assert_eq!(base(None, &headers, &uri), "http://localhost/fhir");
        headers.insert(HOST, "hub.local:8080".parse().unwrap());
        assert_eq!(base(None, &headers, &uri), "http://hub.local:8080/fhir");
        assert_eq!(base(Some("https://hub.example/"), &headers, &uri), "https://hub.example/fhir");
        headers.insert(HOST, "a\"b".parse().unwrap());
        assert_eq!(base(None, &headers, &uri), "http://localhost/fhir");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec((".{1,12}", ".{0,12}"), 0..5)) {
            let url = address("http://h/fhir", "Patient", &pairs);
            let text = url.split_once('?').map_or("", |(_, text)| text);
            prop_assert_eq!(query::pairs(text.as_bytes()).unwrap(), pairs);
        }
    }
}
