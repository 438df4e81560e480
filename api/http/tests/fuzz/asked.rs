//! A request, put together by chance.

use axum::http::{Method, Request};
use serde_json::Value;

use crate::dice::Dice;
use crate::resources::{Samples, kind, mutated};
use crate::{bundles, patches, questions, texts};

/// A request.
pub struct Asked {
    pub method: Method,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

const FHIR: &str = "application/fhir+json";

impl Asked {
    fn new(method: Method, target: String, media: &str, body: Vec<u8>) -> Self {
        Self { method, target, headers: vec![("content-type".to_owned(), media.into())], body }
    }

    /// Stores a resource under its own id.
    pub fn put(resource: &Value) -> Self {
        let target = format!(
            "/fhir/{}/{}",
            resource["resourceType"].as_str().unwrap(),
            resource["id"].as_str().unwrap()
        );
        Self::new(Method::PUT, target, FHIR, resource.to_string().into_bytes())
    }

    /// Any request.
    pub fn any(dice: &mut Dice, samples: &Samples) -> Self {
        let of = kind(dice);
        let sample = samples.one(dice);
        let (whose, id) =
            (sample["resourceType"].as_str().unwrap().to_owned(), sample["id"].as_str().unwrap().to_owned());
        let at = format!("/fhir/{whose}/{id}");
        let mut asked = match dice.below(21) {
            0 => Self::new(Method::POST, format!("/fhir/{whose}"), FHIR, texts::nonsense(dice)),
            1 => Self::new(Method::PUT, at, FHIR, texts::damaged(dice, &sample.to_string())),
            2 | 3 => Self::new(Method::PUT, at, FHIR, mutated(dice, &sample).into_bytes()),
            4 => Self::new(Method::POST, format!("/fhir/{whose}"), FHIR, mutated(dice, &sample).into_bytes()),
            5 => Self::put(&sample),
            6 => {
                let query = questions::query(dice, of);
                Self::new(
                    dice.one_of(&[Method::PUT, Method::DELETE, Method::PATCH]).clone(),
                    format!("/fhir/{whose}?{query}"),
                    FHIR,
                    sample.to_string().into_bytes(),
                )
            }
            7 | 8 => {
                let (media, body) = patches::patch(dice, samples);
                Self::new(Method::PATCH, at, media, body)
            }
            9 => {
                Self::new(Method::POST, "/fhir".to_owned(), FHIR, bundles::bundle(dice, samples).into_bytes())
            }
            10 => {
                let bundle = bundles::bundle(dice, samples);
                Self::new(Method::POST, "/fhir".to_owned(), FHIR, texts::damaged(dice, &bundle))
            }
            11 => {
                let form = questions::query(dice, of);
                Self::new(
                    Method::POST,
                    format!("/fhir/{of}/_search"),
                    "application/x-www-form-urlencoded",
                    form.into_bytes(),
                )
            }
            12 => Self::new(
                Method::GET,
                format!("/fhir/{of}?{}", questions::sensible(dice, of)),
                FHIR,
                Vec::new(),
            ),
            13 => {
                let below = [
                    "/_history",
                    "/_history/1",
                    "/_history/0",
                    "/_history/99999999999999999999",
                    "/_history/x",
                    "/$everything",
                    "/$export",
                    "",
                ];
                let query = questions::query(dice, of);
                Self::new(Method::GET, format!("{at}{}?{query}", dice.one_of(&below)), FHIR, Vec::new())
            }
            14 => Self::new(dice.one_of(&[Method::GET, Method::DELETE]).clone(), at, FHIR, Vec::new()),
            15 => Self::address(dice),
            16 => Self::terms(dice, &sample),
            _ => {
                Self::new(Method::GET, format!("/fhir/{of}?{}", questions::query(dice, of)), FHIR, Vec::new())
            }
        };
        if dice.below(4) == 0 {
            asked.odd_headers(dice);
        }
        asked
    }

    /// What is asked of codes: of stored terms, of one that is sent along, and of what is neither.
    fn terms(dice: &mut Dice, sample: &Value) -> Self {
        let asked = [
            "ValueSet/$expand",
            "ValueSet/v2/$expand",
            "ValueSet/$validate-code",
            "ValueSet/v2/$validate-code",
            "CodeSystem/$validate-code",
            "CodeSystem/cs/$validate-code",
            "CodeSystem/$lookup",
            "CodeSystem/$subsumes",
            "CodeSystem/cs/$subsumes",
            "ConceptMap/$translate",
            "ConceptMap/map/$translate",
        ];
        let names = [
            "url",
            "system",
            "code",
            "codeA",
            "codeB",
            "display",
            "filter",
            "offset",
            "count",
            "version",
            "displayLanguage",
            "coding",
            "property",
            "targetsystem",
            "valueSet",
        ];
        let values = [
            "http://a/b",
            "urn:cs",
            "urn:set",
            "urn:map",
            "a",
            "b",
            "c",
            "0",
            "1",
            "18446744073709551615",
            "en",
            "zh",
        ];
        let value = |dice: &mut Dice| match dice.below(4) {
            0 => texts::odd(dice),
            _ => (*dice.one_of(&values)).to_owned(),
        };
        let pairs: Vec<(String, String)> =
            (0..dice.below(6)).map(|_| ((*dice.one_of(&names)).to_owned(), value(dice))).collect();
        let target = format!("/fhir/{}", dice.one_of(&asked));
        if dice.below(2) == 0 {
            let query: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{name}={}", questions::escaped(dice, value)))
                .collect();
            return Self::new(Method::GET, format!("{target}?{}", query.join("&")), FHIR, Vec::new());
        }
        let mut parameters: Vec<Value> = pairs
            .iter()
            .map(|(name, value)| match name.as_str() {
                "coding" if value.len() % 2 == 0 => serde_json::json!({ "name": "codeableConcept", "valueCodeableConcept": { "text": value } }),
                "coding" => {
                    serde_json::json!({ "name": name, "valueCoding": { "system": "urn:cs", "code": value } })
                }
                _ => serde_json::json!({ "name": name, "valueString": value }),
            })
            .collect();
        if dice.below(3) == 0 {
            parameters.push(serde_json::json!({ "name": "valueSet", "resource": sample }));
        }
        let body = serde_json::json!({ "resourceType": "Parameters", "parameter": parameters }).to_string();
        let body = if dice.below(3) == 0 { texts::damaged(dice, &body) } else { body.into_bytes() };
        Self::new(Method::POST, target, FHIR, body)
    }

    /// An address that may be none.
    fn address(dice: &mut Dice) -> Self {
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ];
        let parts = [
            "Patient",
            "p",
            "_history",
            "1",
            "_search",
            "metadata",
            "$x",
            "$export",
            "$export-status",
            "$export-file",
            "1_-_system_",
            "1_-_group.p_Patient",
            "..",
            ".",
            "",
            "%00",
            "%ff",
            "%2f",
            "Nonsense",
            "%f0%a0%ae%b7",
            "a b",
            "Binary",
        ];
        let path: Vec<&str> = (0..dice.below(5)).map(|_| *dice.one_of(&parts)).collect();
        let long = if dice.below(20) == 0 { texts::many(dice, "a", 9_000) } else { String::new() };
        Self::new(dice.one_of(&methods).clone(), format!("/fhir/{}{long}", path.join("/")), FHIR, Vec::new())
    }

    fn odd_headers(&mut self, dice: &mut Dice) {
        let names = [
            "if-match",
            "if-none-match",
            "if-none-exist",
            "if-modified-since",
            "prefer",
            "accept",
            "content-type",
            "accept-language",
            "x-request-id",
            "host",
            "accept-encoding",
            "forwarded",
            "x-forwarded-host",
            "x-forwarded-proto",
        ];
        let values: [&[u8]; 27] = [
            b"W/\"1\"",
            b"W/\"1",
            b"\"1\"",
            b"1",
            b"*",
            b"W/\"99999999999999999999\"",
            b"\xff\xfe",
            b"",
            b"identifier=urn:mrn|1",
            b"identifier=%ff",
            b"_count=1",
            b"return=minimal",
            b"return=representation",
            b"return=OperationOutcome",
            b"handling=lenient",
            b"handling=strict, return=x",
            b"application/fhir+json",
            b"application/fhir+xml",
            b"*/*;q=0",
            b"application/json;fhirVersion=5.0",
            b"text/plain",
            b"zh-Hant",
            b"zh;q=x,,;q=9",
            b"Thu, 01 Jan 1970 00:00:00 GMT",
            b"Thu, 99 Jan 99999",
            b"a.example:99999",
            b"\"<script>",
        ];
        for _ in 0..dice.below(3) + 1 {
            let value = if dice.below(10) == 0 {
                texts::many(dice, "x", 9_000).into_bytes()
            } else {
                dice.one_of(&values).to_vec()
            };
            self.headers.push(((*dice.one_of(&names)).to_owned(), value));
        }
    }

    /// The request of the HTTP library; `None` where it has no such address or header.
    pub fn request(&self) -> Option<Request<Vec<u8>>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        request.body(self.body.clone()).ok()
    }

    /// Whether only parts of resources are wanted.
    pub fn wants_parts(&self) -> bool {
        let says =
            |text: &str| self.target.contains(text) || String::from_utf8_lossy(&self.body).contains(text);
        ["_elements", "_summary", "%5Felements", "%5Fsummary"].iter().any(|name| says(name))
    }

    /// Whether an answer without a body is wanted.
    pub fn wants_little(&self) -> bool {
        self.headers.iter().any(|(_, value)| value.starts_with(b"return=minimal"))
    }

    /// Its first line, cut.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target).chars().take(300).collect()
    }

    /// All of it, cut, so that a finding can be had again.
    pub fn shown(&self) -> String {
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| {
                format!("{name}: {}", String::from_utf8_lossy(value).chars().take(80).collect::<String>())
            })
            .collect();
        let body: String = String::from_utf8_lossy(&self.body).chars().take(1_500).collect();
        let target: String = self.target.chars().take(1_500).collect();
        format!("{} {target}\n    {headers:?}\n    {body}", self.method)
    }
}
