//! The profile's own envelope: `Request` and `Response`, each with `Head` and `Body`, and the signature over it.

use md5::{Digest as _, Md5};
use serde::Deserialize;
use sm3::Sm3;

use super::clock::read_stamp;
use super::element::{Element, leaf, node, written};

/// What the head of a request holds, each once (section 3.1 of the profile).
const HEAD: [&str; 7] = ["TransCode", "TransSeq", "AppId", "OrgCode", "OperatorId", "ReqTime", "Sign"];

/// The hash of the signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// Older installations.
    Md5,
    /// Newer ones (GB/T 32905).
    #[default]
    Sm3,
}

impl Hash {
    /// In hexadecimal, in upper case.
    pub(super) fn of(self, bytes: &[u8]) -> String {
        let digest = match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sm3 => Sm3::digest(bytes).to_vec(),
        };
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// The character set of the channel: of the SOAP text, and of the bytes that are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB18030, as older systems have it.
    Gb18030,
}

impl Wire {
    /// Its name in `Content-Type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Utf8 => Self::Gb18030,
            Self::Gb18030 => Self::Utf8,
        }
    }

    /// The bytes of a text.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Gb18030 => encoding_rs::GB18030.encode(text).0.into_owned(),
        }
    }

    /// The text of bytes; `None` where they are not of this character set.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<String> {
        let encoding = match self {
            Self::Utf8 => encoding_rs::UTF_8,
            Self::Gb18030 => encoding_rs::GB18030,
        };
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(|text| text.into_owned())
    }
}

/// What both ends have agreed on.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    pub(super) hash: Hash,
    pub(super) wire: Wire,
    pub(super) key: String,
}

impl Seal {
    /// Over `TransCode|TransSeq|ReqTime|<inner XML of Body as sent>|<key>`. An answer and a push are signed in the same
    /// way; an answer has no time of its own and takes that of its request.
    pub(super) fn sign(&self, trans_code: &str, trans_seq: &str, time: &str, inner: &str) -> String {
        let text = format!("{trans_code}|{trans_seq}|{time}|{inner}|{}", self.key);
        self.hash.of(&self.wire.encode(&text))
    }
}

/// A request whose envelope holds to the profile.
pub(super) struct Request {
    pub(super) trans_code: String,
    pub(super) trans_seq: String,
    pub(super) req_time: String,
    pub(super) app_id: String,
    pub(super) org_code: String,
    pub(super) sign: String,
    pub(super) body: Element,
    /// The inside of `Body`, as it was sent.
    pub(super) inner: String,
}

impl Request {
    /// Reads one; an error names the rule it breaks.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let root = Element::read(text)?;
        let (Some(head), Some(body)) = (root.child("Head"), root.child("Body")) else {
            return Err("`Head` or `Body` is missing".to_owned());
        };
        if root.name != "Request" || root.children.len() != 2 {
            return Err("the root is not `Request` with `Head` and `Body`".to_owned());
        }
        for name in HEAD {
            if head.get(name).is_empty() {
                return Err(format!("`Head/{name}` is missing"));
            }
        }
        if head.children.len() != HEAD.len() {
            return Err("`Head` holds what it should not, or holds it twice".to_owned());
        }
        let trans_seq = head.get("TransSeq");
        if trans_seq.len() != 32 || !trans_seq.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("`Head/TransSeq` is not 32 letters and digits".to_owned());
        }
        if read_stamp(head.get("ReqTime")).is_none() {
            return Err("`Head/ReqTime` is no time".to_owned());
        }
        Ok(Self {
            trans_code: head.get("TransCode").to_owned(),
            trans_seq: trans_seq.to_owned(),
            req_time: head.get("ReqTime").to_owned(),
            app_id: head.get("AppId").to_owned(),
            org_code: head.get("OrgCode").to_owned(),
            sign: head.get("Sign").to_owned(),
            inner: body.inner(text).to_owned(),
            body: body.clone(),
        })
    }
}

/// What is answered to a request.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) body: Vec<Element>,
}

/// The text of an answer. `request` is what could be read of the request.
pub(super) fn response(reply: &Reply, request: Option<&Request>, seal: &Seal) -> String {
    let inner = written(&reply.body);
    let [code, seq, time] = match request {
        Some(request) => [&*request.trans_code, &*request.trans_seq, &*request.req_time],
        None => [""; 3],
    };
    let head = node(
        "Head",
        vec![
            leaf("TransCode", code),
            leaf("TransSeq", seq),
            leaf("ResultCode", &reply.code),
            leaf("ResultMsg", &reply.message),
            leaf("Sign", seal.sign(code, seq, time, &inner)),
        ],
    );
    format!("<Response>{}<Body>{inner}</Body></Response>", written(&[head]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_their_standards() {
        // RFC 1321 A.5, GB/T 32905-2016 A.1.
        assert_eq!(Hash::Md5.of(b"abc"), "900150983CD24FB0D6963F7D28E17F72");
        assert_eq!(Hash::Sm3.of(b"abc"), "66C7F0F462EEEDD9D1F2D46BDC10E4E24167C4875CF2F7A2297DA02B8F4BA8E0");
    }

    #[test]
    fn the_signature_is_over_the_bytes_of_the_channel() {
        let seal = |wire| Seal { hash: Hash::Md5, wire, key: "k".to_owned() };
        let of = |wire| seal(wire).sign("H101", "1", "20260302080000", "<A>王</A>");
        assert_ne!(of(Wire::Utf8), of(Wire::Gb18030));
        assert_eq!(of(Wire::Gb18030), Hash::Md5.of(b"H101|1|20260302080000|<A>\xcd\xf5</A>|k"));
    }

    #[test]
    fn a_head_with_something_missing_twice_or_too_much_is_refused() {
        let head = |inner: &str| format!("<Request><Head>{inner}</Head><Body/></Request>");
        let right = "<TransCode>H101</TransCode><TransSeq>0123456789abcdef0123456789abcdef</TransSeq><AppId>IMPF</AppId>\
             <OrgCode>SZIMH</OrgCode><OperatorId>hub</OperatorId><ReqTime>2026-03-02 08:00:00</ReqTime><Sign>X</Sign>";
        assert!(Request::read(&head(right)).is_ok());
        for wrong in [
            right.replace("<AppId>IMPF</AppId>", ""),
            right.replace("<AppId>", "<Extra>1</Extra><AppId>"),
            right.replace("0123456789abcdef0123456789abcdef", "0123"),
            right.replace("2026-03-02 08:00:00", "yesterday"),
        ] {
            assert!(Request::read(&head(&wrong)).is_err(), "{wrong}");
        }
    }
}
