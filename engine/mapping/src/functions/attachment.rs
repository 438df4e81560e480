//! Documents: HL7 v2 ED (the document itself) and RP (a pointer to it) become an Attachment.

use hub_fhir::Json;
use hub_fhir::primitive::Primitive;

use super::build::Build;
use super::{Context, Misfit, Outcome, plain};
use crate::read::Value;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn attachment(value: Value<'_>, context: &Context<'_>) -> Outcome {
    match value.part(5).filter(|data| data.text().is_some()) {
        Some(data) => encapsulated(value, data),
        None => pointer(value, context),
    }
}

/// ED: source ^ type ^ subtype ^ encoding ^ data.
fn encapsulated(value: Value<'_>, data: Value<'_>) -> Outcome {
    let Some(text) = data.raw() else { return Ok(None) };
    let (data_text, size) = match value.part_text(4).as_deref() {
        Some(encoding) if encoding.eq_ignore_ascii_case("Base64") => {
            let packed: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
            let padding = packed.bytes().rev().take_while(|byte| *byte == b'=').count();
            let size = (packed.len() / 4 * 3).saturating_sub(padding);
            (packed, size)
        }
        Some(encoding) if encoding.eq_ignore_ascii_case("Hex") => {
            let Some(bytes) = from_hex(&text) else {
                return Err(Misfit::new(data, "expected pairs of hexadecimal digits"));
            };
            (to_base64(&bytes), bytes.len())
        }
        Some("A") | None => (to_base64(text.as_bytes()), text.len()),
        Some(_) => return Err(Misfit::new(value, "expected the encoding `Base64`, `Hex` or `A`")),
    };
    let json = Json::from(data_text);
    if Primitive::Base64Binary.check(&json).is_err() {
        return Err(Misfit::new(data, "expected base64"));
    }
    let mut built = Build::with_capacity(3);
    // FHIR asks for a type beside data; a type without its subtype is none.
    let media = content_type(value, 2, 3).unwrap_or_else(|| "application/octet-stream".into());
    built.put("contentType", media);
    built.put("data", json);
    built.put_some("size", i64::try_from(size).ok().filter(|size| *size <= i64::from(i32::MAX)));
    built.finish()
}

/// RP: pointer ^ application ^ type ^ subtype.
fn pointer(value: Value<'_>, context: &Context<'_>) -> Outcome {
    let Some(place) = value.part(1) else { return Ok(None) };
    let Some(url) = plain::url(place, context)? else { return Ok(None) };
    let mut built = Build::with_capacity(2);
    built.put_some("contentType", content_type(value, 3, 4));
    built.put("url", url);
    built.finish()
}

/// HL7 tables 0191 and 0291 as a media type: `Application` and `PDF` are `application/pdf`.
fn content_type(value: Value<'_>, kind: u16, subtype: u16) -> Option<Json> {
    let subtype = value.part_text(subtype);
    if let Some(whole) = subtype.as_deref().filter(|subtype| subtype.contains('/')) {
        return as_code(whole);
    }
    let kind = value.part_text(kind).map(|kind| kind.to_ascii_lowercase());
    let kind = match kind.as_deref()? {
        whole if whole.contains('/') => return as_code(whole),
        "ap" | "application" => "application",
        "au" | "audio" => "audio",
        "im" | "image" | "ns" | "sd" | "si" => "image",
        "tx" | "tex" | "ft" | "text" => "text",
        "multipart" => "multipart",
        "video" => "video",
        _ => "application",
    };
    let subtype = match (kind, subtype.map(|subtype| subtype.to_ascii_lowercase()).as_deref()) {
        ("text", None) => "plain".to_owned(),
        (_, None) => return None,
        ("image", Some("jpg")) => "jpeg".to_owned(),
        (_, Some("rtf")) => return as_code("text/rtf"),
        (_, Some("pdf")) => return as_code("application/pdf"),
        (_, Some(other)) => other.to_owned(),
    };
    as_code(&format!("{kind}/{subtype}"))
}

fn as_code(text: &str) -> Option<Json> {
    let json = Json::string(text);
    Primitive::Code.check(&json).is_ok().then_some(json)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let word = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64() {
        for (text, written) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(to_base64(text.as_bytes()), written);
        }
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(from_hex("66 6F"), Some(b"fo".to_vec()));
        assert_eq!(from_hex("6"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
