//! SOAP 1.1 and 1.2 as a client speaks it to services of the style "one operation with text arguments" (interfaces §1.3). Pure: any
//! bytes give a result or an error that says what was expected.

use encoding_rs::{Encoding, GB18030, GBK, UTF_8};
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use thiserror::Error;

/// Deeper nesting is no answer of such a service.
const MOST_DEPTH: usize = 64;

/// Which SOAP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoapVersion {
    /// [SOAP 1.1](https://www.w3.org/TR/2000/NOTE-SOAP-20000508/): `text/xml` and `SOAPAction`.
    #[default]
    V11,
    /// [SOAP 1.2](https://www.w3.org/TR/soap12-part1/): `application/soap+xml; action=`.
    V12,
}

impl SoapVersion {
    /// The namespace of its envelope.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The `Content-Type` of a call.
    pub fn content_type(self, charset: Charset, action: &str) -> String {
        match self {
            Self::V11 => format!("text/xml; charset={}", charset.name()),
            Self::V12 => format!("application/soap+xml; charset={}; action=\"{action}\"", charset.name()),
        }
    }
}

/// The character set of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    #[default]
    Utf8,
    /// GB18030, as older systems have it.
    Gb18030,
}

impl Charset {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.encoding().name()
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Gb18030 => GB18030,
        }
    }

    /// The bytes of a text. GB18030 has all of Unicode.
    pub fn encode(self, text: &str) -> Vec<u8> {
        self.encoding().encode(text).0.into_owned()
    }

    /// The text of bytes.
    ///
    /// # Errors
    /// When they are not of this character set, or hold a sign that stands for what another program could not read: a wrong guess never
    /// makes other signs of them (interfaces §0.4).
    pub fn decode(self, bytes: &[u8]) -> Result<String, SoapError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let decoded = self.encoding().decode_without_bom_handling_and_without_replacement(bytes);
        let whole = decoded.filter(|text| !text.contains('\u{fffd}'));
        whole.map(std::borrow::Cow::into_owned).ok_or(SoapError::Charset(self.name()))
    }

    /// The text of a whole answer, whose `Content-Type` and XML declaration may say what it is in.
    ///
    /// # Errors
    /// As [`Charset::decode`], and when one of them says another character set: much that is UTF-8 can be read as GB18030.
    pub fn decode_answer(self, content_type: &str, bytes: &[u8]) -> Result<String, SoapError> {
        let mut told = [parameter(content_type), declared(bytes)].into_iter().flatten();
        match told.all(|name| self.is_named(name)) {
            true => self.decode(bytes),
            false => Err(SoapError::Charset(self.name())),
        }
    }

    /// Whether this name means it. GBK and GB 2312 are parts of GB18030.
    fn is_named(self, name: &str) -> bool {
        let encoding = Encoding::for_label(name.as_bytes());
        encoding == Some(self.encoding()) || (self == Self::Gb18030 && encoding == Some(GBK))
    }
}

/// The `charset` of a `Content-Type`.
fn parameter(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// The `encoding` of an XML declaration (XML 1.0 §2.8).
fn declared(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let rest = bytes.strip_prefix(b"<?xml")?;
    let end = rest.windows(2).take(200).position(|two| two == b"?>")?;
    let declaration = std::str::from_utf8(&rest[..end]).ok()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// Why bytes are no answer. Never content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SoapError {
    /// Not of the character set.
    #[error("the answer is not in {0}")]
    Charset(&'static str),
    /// Not XML, or of a kind that is not taken: a DTD, too deep.
    #[error("the answer cannot be read at byte {at}: {what}")]
    Xml {
        /// Where.
        at: u64,
        /// What was expected.
        what: &'static str,
    },
    /// Not SOAP.
    #[error("the answer is no SOAP: expected {0}")]
    Shape(&'static str),
}

/// What a service has answered.
#[derive(Clone, PartialEq, Eq)]
pub enum Answered {
    /// The text of its result.
    Result(String),
    /// A fault: its code, local part. Its words may name a patient and are not kept.
    Fault(String),
}

impl std::fmt::Debug for Answered {
    /// Never content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Result(text) => write!(f, "Result({} bytes)", text.len()),
            Self::Fault(code) => write!(f, "Fault({code})"),
        }
    }
}

/// A call of an operation with text arguments, document/literal.
pub fn call(
    version: SoapVersion,
    charset: Charset,
    namespace: &str,
    operation: &str,
    arguments: &[(&str, &str)],
) -> Vec<u8> {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?><soap:Envelope xmlns:soap=\"{}\"><soap:Body><{operation} xmlns=\"{}\">",
        charset.name(),
        version.namespace(),
        escape(namespace),
    );
    for (name, value) in arguments {
        text.push_str(&format!("<{name}>{}</{name}>", escape(*value)));
    }
    text.push_str(&format!("</{operation}></soap:Body></soap:Envelope>"));
    charset.encode(&text)
}

/// Reads an answer: the text of the first element within the response, whatever it is called, or a fault.
pub fn answer(text: &str) -> Result<Answered, SoapError> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    // The local names of the elements that are open.
    let mut open: Vec<String> = Vec::new();
    let mut result: Option<String> = None;
    let mut fault: Option<String> = None;
    let mut has_body = false;
    loop {
        let at = reader.buffer_position();
        let wrong = |what| SoapError::Xml { at, what };
        match reader.read_event().map_err(|_| wrong("well-formed XML"))? {
            Event::DocType(_) => return Err(wrong("no document type")),
            Event::Start(start) => {
                if open.len() == MOST_DEPTH {
                    return Err(wrong("at most 64 levels"));
                }
                let name = local(&start);
                match (open.len(), name.as_str()) {
                    (0, "Envelope") => {}
                    (0, _) => return Err(SoapError::Shape("an Envelope")),
                    (1, "Body") => has_body = true,
                    (2, "Fault") if open[1] == "Body" => fault = Some(String::new()),
                    (3, _) if open[1] == "Body" && open[2] != "Fault" && result.is_none() => {
                        result = Some(String::new());
                    }
                    _ => {}
                }
                open.push(name);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                gather(&open, &mut result, &mut fault, &text.xml10_content());
            }
            Event::CData(text) => {
                gather(&open, &mut result, &mut fault, &text.xml10_content());
            }
            Event::GeneralRef(reference) => {
                let sign = match reference.resolve_char_ref().map_err(|_| wrong("a character"))? {
                    Some(sign) => sign,
                    None => match &*reference.xml10_content() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return Err(wrong("no entity of its own")),
                    },
                };
                gather(&open, &mut result, &mut fault, sign.encode_utf8(&mut [0; 4]));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !open.is_empty() {
        return Err(SoapError::Shape("its end"));
    }
    match (has_body, fault, result) {
        (false, ..) => Err(SoapError::Shape("a Body")),
        (_, Some(code), _) => {
            Ok(Answered::Fault(code.rsplit(':').next().unwrap_or_default().trim().to_owned()))
        }
        (_, None, Some(result)) => Ok(Answered::Result(result)),
        (_, None, None) => Err(SoapError::Shape("a result")),
    }
}

/// Adds text where it belongs: `faultcode` of SOAP 1.1, `Code/Value` of 1.2, or the result.
fn gather(open: &[String], result: &mut Option<String>, fault: &mut Option<String>, text: &str) {
    let path: Vec<&str> = open.iter().skip(2).map(String::as_str).collect();
    match (fault, path.as_slice()) {
        (Some(code), ["Fault", "faultcode"] | ["Fault", "Code", "Value"]) => code.push_str(text),
        (None, [_, _]) => {
            if let Some(result) = result {
                result.push_str(text);
            }
        }
        _ => {}
    }
}

fn local(start: &BytesStart<'_>) -> String {
    start.local_name().as_ref().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn enveloped(body: &str) -> String {
        format!("<s:Envelope xmlns:s='x'><s:Header/><s:Body>{body}</s:Body></s:Envelope>")
    }

    #[test]
    fn a_result_is_read_escaped_or_as_cdata() {
        let wanted = Ok(Answered::Result("<Response>陈 & é</Response>".to_owned()));
        for result in
            ["&lt;Response&gt;陈 &amp; &#233;&lt;/Response&gt;", "<![CDATA[<Response>陈 & é</Response>]]>"]
        {
            let text =
                enveloped(&format!("<InvokeResponse><InvokeResult>{result}</InvokeResult></InvokeResponse>"));
            assert_eq!(answer(&text), wanted);
        }
    }

    #[test]
    fn a_fault_is_told_by_its_code_alone() {
        let old = "<s:Fault><faultcode>s:Client</faultcode><faultstring>王</faultstring></s:Fault>";
        let new = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason>王</s:Reason></s:Fault>";
        assert_eq!(answer(&enveloped(old)), Ok(Answered::Fault("Client".to_owned())));
        assert_eq!(answer(&enveloped(new)), Ok(Answered::Fault("Sender".to_owned())));
    }

    #[test]
    fn what_an_answer_says_it_is_in_is_held_against_the_setting() {
        let (utf8, gb) = (Charset::Utf8, Charset::Gb18030);
        let text = "<a>陈思远</a>";
        assert_eq!(gb.decode_answer("text/xml; charset=gbk", &gb.encode(text)).as_deref(), Ok(text));
        assert_eq!(gb.decode_answer("text/xml", &gb.encode(text)).as_deref(), Ok(text));
        assert_eq!(utf8.decode_answer("text/xml; Charset=\"utf-8\"", text.as_bytes()).as_deref(), Ok(text));
        // UTF-8 that can be read as GB18030 would become other signs.
        assert!(gb.decode(text.as_bytes()).is_ok_and(|other| other != text), "it is a trap");
        let wrong = Err(SoapError::Charset("gb18030"));
        assert_eq!(gb.decode_answer("text/xml; charset=utf-8", text.as_bytes()), wrong);
        let declared = format!("<?xml version=\"1.0\" encoding='UTF-8'?>{text}");
        assert_eq!(gb.decode_answer("text/xml", declared.as_bytes()), wrong);
        assert_eq!(
            gb.decode_answer("text/xml; charset=gb18030", declared.as_bytes()),
            wrong,
            "they contradict"
        );
        let marked = ["\u{feff}".as_bytes(), declared.as_bytes()].concat();
        assert_eq!(utf8.decode_answer("", &marked).as_deref(), Ok(declared.as_str()), "a mark is no text");
        assert!(utf8.decode("a\u{fffd}".as_bytes()).is_err(), "somebody before us could not read it");
        for odd in
            ["<?xml", "<?xml encoding", "<?xml encoding=?>", "<?xml encoding=\"?>", "<?xml encoding=\"x\"?>"]
        {
            let _ = utf8.decode_answer("text/xml; charset", odd.as_bytes());
        }
    }

    #[test]
    fn what_is_no_answer_is_told_with_its_place() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'b'>]><s:Envelope/>";
        assert!(matches!(answer(bomb), Err(SoapError::Xml { what: "no document type", .. })));
        assert!(answer(&enveloped("<r><x>&a;</x></r>")).is_err());
        assert_eq!(answer("<html/>"), Err(SoapError::Shape("an Envelope")));
        assert_eq!(answer("<Envelope/>"), Err(SoapError::Shape("a Body")));
        assert_eq!(answer(&enveloped("<r/>")), Err(SoapError::Shape("a result")));
        assert!(answer("<Envelope><Body>").is_err());
        let deep = format!("<Envelope><Body>{}", "<a>".repeat(100));
        assert!(matches!(answer(&deep), Err(SoapError::Xml { what: "at most 64 levels", .. })));
        assert_eq!(Charset::Utf8.decode(&Charset::Gb18030.encode("陈")), Err(SoapError::Charset("UTF-8")));
    }

    proptest! {
        #[test]
        fn any_text_is_an_answer_or_an_error(text in ".{0,200}") {
            let _ = answer(&text);
        }

        #[test]
        fn what_is_called_with_comes_back(text in "[^\\p{Cc}\\p{Co}\u{fffe}\u{ffff}]{0,60}", gb in any::<bool>()) {
            // What another program could not read is not taken.
            prop_assume!(!text.contains('\u{fffd}'));
            let charset = if gb { Charset::Gb18030 } else { Charset::Utf8 };
            let bytes = call(SoapVersion::V11, charset, "urn:x", "Invoke", &[("a", &text)]);
            // A call has the shape of an answer: an element within an element.
            prop_assert_eq!(answer(&charset.decode(&bytes).unwrap()), Ok(Answered::Result(text)));
        }
    }
}
