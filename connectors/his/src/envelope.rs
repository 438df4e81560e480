//! The HIS's own envelope within SOAP: `Request` and `Response`, each with `Head` and `Body`, and the signature over it (interfaces §3.1).

use hub_transport::soap::Charset;
use md5::{Digest as _, Md5};
use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde::Deserialize;
use sm3::Sm3;
use thiserror::Error;

/// The hash of the signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// MD5, of older installations.
    Md5,
    /// SM3 (GB/T 32905), of newer ones.
    #[default]
    Sm3,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> String {
        let digest = match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sm3 => Sm3::digest(bytes).to_vec(),
        };
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// Who calls, and how it is signed.
#[derive(Clone)]
pub struct Seal {
    /// `Head/AppId`.
    pub app_id: String,
    /// `Head/OrgCode`.
    pub org_code: String,
    /// `Head/OperatorId`.
    pub operator: String,
    /// The hash of the signature.
    pub hash: Hash,
    /// The key of the signature.
    pub key: String,
    /// The character set whose bytes are signed.
    pub charset: Charset,
}

/// What a request is: the function, its number, its time and the inside of its `Body`.
pub struct Request<'a> {
    /// The function: `H303`.
    pub code: &'a str,
    /// The number of the transaction: 32 letters and digits.
    pub seq: &'a str,
    /// When: `2026-03-02 08:00:00`, Beijing time.
    pub at: &'a str,
    /// The inside of `Body`.
    pub body: &'a str,
}

impl Seal {
    /// The signature over a request, or over an answer to it.
    fn sign(&self, code: &str, seq: &str, at: &str, body: &str) -> String {
        self.hash.of(&self.charset.encode(&format!("{code}|{seq}|{at}|{body}|{}", self.key)))
    }

    /// The text of a request.
    pub fn request(&self, request: &Request<'_>) -> String {
        let Request { code, seq, at, body } = *request;
        let sign = self.sign(code, seq, at, body);
        let (app, org, operator) = (escape(&*self.app_id), escape(&*self.org_code), escape(&*self.operator));
        format!(
            "<Request><Head><TransCode>{code}</TransCode><TransSeq>{seq}</TransSeq><AppId>{app}</AppId>\
             <OrgCode>{org}</OrgCode><OperatorId>{operator}</OperatorId><ReqTime>{at}</ReqTime><Sign>{sign}</Sign></Head>\
             <Body>{body}</Body></Request>"
        )
    }

    /// Reads the answer to a request, and proves that it is one: its number is the request's, and its signature, where it has one, is
    /// right.
    ///
    /// # Errors
    /// When it is no answer, or not to this.
    pub fn response(&self, request: &Request<'_>, text: &str) -> Result<Response, ResponseError> {
        let response = Response::read(text)?;
        if response.seq != request.seq {
            return Err(ResponseError::Other);
        }
        let signed = self.sign(request.code, request.seq, request.at, &response.body);
        if response.sign.as_ref().is_some_and(|sign| *sign != signed) {
            return Err(ResponseError::Forged);
        }
        Ok(response)
    }
}

/// What the HIS has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `Head/ResultCode`.
    pub code: String,
    seq: String,
    sign: Option<String>,
    /// The inside of `Body`, as it was sent.
    pub body: String,
}

/// Why a text is no answer. Never content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// Not of the envelope.
    #[error("the answer is not of the profile: expected {0}")]
    Shape(&'static str),
    /// Of another request.
    #[error("the answer is to another request")]
    Other,
    /// Its signature is wrong.
    #[error("the signature of the answer is wrong")]
    Forged,
}

impl Response {
    /// Reads `Response/Head` and the inside of `Response/Body`.
    fn read(text: &str) -> Result<Self, ResponseError> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<String> = Vec::new();
        let (mut code, mut seq, mut sign) = (None, None, None);
        let (mut begins, mut ends) = (None, None);
        loop {
            let before = reader.buffer_position();
            let event = reader.read_event().map_err(|_| ResponseError::Shape("well-formed XML"))?;
            match event {
                Event::DocType(_) => return Err(ResponseError::Shape("no document type")),
                Event::Start(start) => {
                    open.push(start.local_name().as_ref().to_owned());
                    match open.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                        ["Response", "Body"] => begins = Some(reader.buffer_position()),
                        ["Response", "Head", "ResultCode"] => code = Some(String::new()),
                        ["Response", "Head", "TransSeq"] => seq = Some(String::new()),
                        ["Response", "Head", "Sign"] => sign = Some(String::new()),
                        _ => {}
                    }
                }
                Event::End(_) => {
                    if open.len() == 2 && open[1] == "Body" {
                        ends = Some(before);
                    }
                    open.pop();
                }
                Event::Text(text) if open.len() == 3 && open[1] == "Head" => {
                    let into = match open[2].as_str() {
                        "ResultCode" => &mut code,
                        "TransSeq" => &mut seq,
                        "Sign" => &mut sign,
                        _ => continue,
                    };
                    if let Some(into) = into {
                        into.push_str(text.xml10_content().trim());
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let body = match (begins, ends) {
            (Some(begins), Some(ends)) => {
                let cut = usize::try_from(begins).ok().zip(usize::try_from(ends).ok());
                cut.and_then(|(begins, ends)| text.get(begins..ends)).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        Ok(Self {
            code: code.ok_or(ResponseError::Shape("Response/Head/ResultCode"))?,
            seq: seq.ok_or(ResponseError::Shape("Response/Head/TransSeq"))?,
            sign: sign.filter(|sign| !sign.is_empty()),
            body,
        })
    }

    /// An answer of this code and body, as the HIS tells of one that it has given before.
    pub fn of(code: &str, body: &str) -> Self {
        Self { code: code.to_owned(), seq: String::new(), sign: None, body: body.to_owned() }
    }

    /// The inside of an element directly within `Body`, as it was sent.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.body, name)
    }

    /// As it is handed on: in UTF-8, its code and its body.
    pub fn text(&self) -> String {
        format!(
            "<Response><Head><ResultCode>{}</ResultCode></Head><Body>{}</Body></Response>",
            escape(&*self.code),
            self.body
        )
    }
}

/// The elements directly within a piece of XML, each with its name and its inside as it was sent; none where it is not well-formed.
pub fn children(text: &str) -> Vec<(&str, &str)> {
    let mut reader = Reader::from_str(text);
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut open = (0, 0);
    let cut = |from: u64, to: u64| text.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
    let name = |from: u64| {
        let rest = text.get(usize::try_from(from).ok()?..)?.strip_prefix('<')?;
        rest.split(|sign: char| sign.is_whitespace() || matches!(sign, '>' | '/')).next()
    };
    loop {
        let before = reader.buffer_position();
        let Ok(event) = reader.read_event() else { return Vec::new() };
        match event {
            Event::Start(_) => {
                if depth == 0 {
                    open = (before, reader.buffer_position());
                }
                depth += 1;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend(name(open.0).zip(cut(open.1, before)));
                }
            }
            Event::Empty(_) if depth == 0 => found.extend(name(before).map(|name| (name, ""))),
            Event::Eof => return if depth == 0 { found } else { Vec::new() },
            _ => {}
        }
    }
}

/// The inside of the first element of this name directly within a piece of XML.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    children(text).into_iter().find(|(found, _)| *found == name).map(|(_, inside)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_directly_within_and_not_one_of_the_same_name_deeper() {
        let text = "<OrigBody><Status>N</Status></OrigBody> <!-- <Status>N</Status> --><Empty/><Status a='1'>D</Status ><T><![CDATA[</T>]]></T>";
        assert_eq!(field(text, "Status"), Some("D"));
        assert_eq!(field(text, "OrigBody"), Some("<Status>N</Status>"));
        assert_eq!(field(text, "Empty"), Some(""));
        assert_eq!(field(text, "T"), Some("<![CDATA[</T>]]>"));
        assert_eq!(field(text, "Other"), None);
        for broken in ["<a>", "<a></b>", "</a>", "<a", "<Status>D</Status><a>"] {
            assert_eq!(children(broken), [], "{broken}");
        }
        assert_eq!(children("text"), []);
    }

    fn seal(hash: Hash) -> Seal {
        Seal {
            app_id: "IMPF".to_owned(),
            org_code: "H".to_owned(),
            operator: "hub".to_owned(),
            hash,
            key: "k".to_owned(),
            charset: Charset::Utf8,
        }
    }

    const ASKED: Request<'static> =
        Request { code: "H304", seq: "0123", at: "2026-03-02 08:00:00", body: "<LockId>L1</LockId>" };

    #[test]
    fn a_request_is_signed_over_what_is_sent() {
        let text = seal(Hash::Md5).request(&ASKED);
        // MD5 of `H304|0123|2026-03-02 08:00:00|<LockId>L1</LockId>|k`.
        let expected = Hash::Md5.of(b"H304|0123|2026-03-02 08:00:00|<LockId>L1</LockId>|k");
        assert!(text.contains(&format!("<Sign>{expected}</Sign>")));
        assert!(text.ends_with("<Body><LockId>L1</LockId></Body></Request>"));
        // GB/T 32905-2016, example 1.
        let example = "66C7F0F462EEEDD9D1F2D46BDC10E4E24167C4875CF2F7A2297DA02B8F4BA8E0";
        assert_eq!(Hash::Sm3.of(b"abc"), example);
    }

    #[test]
    fn an_answer_must_be_to_the_request_and_signed_right() {
        let seal = seal(Hash::Sm3);
        let answer = |seq: &str, sign: &str, body: &str| {
            format!(
                "<?xml version='1.0'?><Response><Head><TransSeq>{seq}</TransSeq><ResultCode>0</ResultCode><Sign>{sign}</Sign></Head><Body>{body}</Body></Response>"
            )
        };
        let body = "<LockId>L1</LockId>";
        let right = seal.sign("H304", "0123", ASKED.at, body);
        let read = seal.response(&ASKED, &answer("0123", &right, body)).unwrap();
        assert_eq!((read.code.as_str(), read.field("LockId")), ("0", Some("L1")));
        assert_eq!(seal.response(&ASKED, &answer("0124", &right, body)), Err(ResponseError::Other));
        assert_eq!(
            seal.response(&ASKED, &answer("0123", &right, "<LockId>L2</LockId>")),
            Err(ResponseError::Forged)
        );
        for text in [
            "",
            "<html/>",
            "<Response/>",
            "<Response><Head><ResultCode>0</ResultCode>",
            "<!DOCTYPE a><Response/>",
        ] {
            assert!(matches!(seal.response(&ASKED, text), Err(ResponseError::Shape(_))), "{text}");
        }
    }
}
