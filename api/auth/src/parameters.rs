//! The parameters of a request: of a query or a form, each at most once.

/// What came with a request. Never shown: it holds secrets.
pub(crate) struct Parameters(Vec<(String, String)>);

/// A parameter stands more than once, which none may (RFC 6749 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Parameters {
    /// None at all.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads a query or a form (`application/x-www-form-urlencoded`).
    pub fn read(text: &[u8]) -> Result<Self, Repeated> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if all.iter().any(|(known, _)| *known == *name) {
                return Err(Repeated);
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(all))
    }

    /// The value of a parameter; one that is empty is as good as none (RFC 6749 §3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The query that says the same, but for one parameter, which has this value instead.
    pub fn query_with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, _)| known != name);
        form_urlencoded::Serializer::new(String::new()).extend_pairs(others).append_pair(name, value).finish()
    }
}

/// An address with more parameters in its query.
pub(crate) fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{address}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stands_once_and_an_empty_one_is_none() {
        let read = Parameters::read(b"a=1&b=%E4%BD%A0+x&c=").unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c")), (Some("1"), Some("\u{4f60} x"), None));
        assert_eq!(read.query_with("a", "2&"), "b=%E4%BD%A0+x&c=&a=2%26");
        assert!(Parameters::read(b"a=1&a=1").is_err());
        assert_eq!(
            with_query("https://a.example/?x=1", &[("code", "a b")]),
            "https://a.example/?x=1&code=a+b"
        );
    }
}
