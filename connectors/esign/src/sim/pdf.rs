//! Signed documents: a PDF is added to, never changed, and carries its signature itself (ISO 32000-2, 12.8; PAdES, ETSI EN 319 142-1).

use lopdf::{Dictionary, Document, IncrementalDocument, Object, ObjectId, StringFormat, dictionary};
use time::OffsetDateTime;
use time::macros::{format_description, offset};

use super::authority::{Signer, hexadecimal};
use super::cms;

/// Room for a signature, in bytes: certificates of long names fit.
const ROOM: usize = 6 * 1024;
/// Stands for a number that is known when the document is whole: ten digits.
const UNKNOWN: i64 = 9_999_999_999;

/// Signs a document. `None`: it is no PDF, or is locked.
pub(super) fn sign(pdf: &[u8], signer: &Signer, by: &str, why: &str, at: OffsetDateTime) -> Option<Vec<u8>> {
    let before = Document::load_mem(pdf).ok().filter(|document| !document.is_encrypted())?;
    let mut document = IncrementalDocument::create_from(pdf.to_vec(), before);
    let value = document.new_document.add_object(dictionary! {
        "Type" => "Sig", "Filter" => "Adobe.PPKLite", "SubFilter" => "ETSI.CAdES.detached",
        "Name" => text(by), "Reason" => text(why), "M" => Object::string_literal(moment(at)?),
        "ByteRange" => vec![0.into(), UNKNOWN.into(), UNKNOWN.into(), UNKNOWN.into()],
        "Contents" => Object::String(vec![0; ROOM], StringFormat::Hexadecimal),
    });
    attach(&mut document, value)?;
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).ok()?;
    seal(bytes, pdf.len(), signer)
}

/// Makes a field of the form that holds the signature, on the first page and without an appearance.
fn attach(document: &mut IncrementalDocument, value: ObjectId) -> Option<()> {
    let before = document.get_prev_documents();
    let root = before.trailer.get(b"Root").ok()?.as_reference().ok()?;
    let page = *before.get_pages().get(&1)?;
    let resolved = |holder: &Dictionary, key: &[u8]| {
        let object = holder.get(key).ok()?;
        before.dereference(object).ok().map(|(_, object)| object.clone())
    };
    let catalog = before.get_dictionary(root).ok()?;
    let mut form = resolved(catalog, b"AcroForm").and_then(|form| form.as_dict().ok().cloned());
    let mut fields = form
        .as_ref()
        .and_then(|form| resolved(form, b"Fields")?.as_array().ok().cloned())
        .unwrap_or_default();
    let shown = resolved(before.get_dictionary(page).ok()?, b"Annots");
    let mut shown = shown.and_then(|shown| shown.as_array().ok().cloned()).unwrap_or_default();

    document.opt_clone_object_to_new_document(root).ok()?;
    document.opt_clone_object_to_new_document(page).ok()?;
    let added = &mut document.new_document;
    let field = added.add_object(dictionary! {
        "Type" => "Annot", "Subtype" => "Widget", "FT" => "Sig", "F" => 132, "P" => page,
        "Rect" => vec![0.into(), 0.into(), 0.into(), 0.into()],
        "T" => text(&format!("Signature{}", fields.len() + 1)), "V" => value,
    });
    fields.push(field.into());
    shown.push(field.into());
    let form = form.get_or_insert_default();
    form.set("Fields", fields);
    // Signatures are there, and the document may only be added to.
    form.set("SigFlags", 3);
    added.get_object_mut(root).ok()?.as_dict_mut().ok()?.set("AcroForm", form.clone());
    added.get_object_mut(page).ok()?.as_dict_mut().ok()?.set("Annots", shown);
    Some(())
}

/// Puts the signature into its room: all bytes but those of the room are signed.
fn seal(mut bytes: Vec<u8>, old: usize, signer: &Signer) -> Option<Vec<u8>> {
    let zeros = format!("<{}>", "0".repeat(2 * ROOM));
    let room = old + find(&bytes[old..], zeros.as_bytes())?;
    let end = room + zeros.len();
    let unknown = format!("0 {UNKNOWN} {UNKNOWN} {UNKNOWN}");
    let range = old + find(&bytes[old..], unknown.as_bytes())?;
    let known = format!("0 {room} {end} {}", bytes.len() - end);
    let known = format!("{known:<width$}", width = unknown.len());
    bytes[range..range + known.len()].copy_from_slice(known.as_bytes());
    let signed = [&bytes[..room], &bytes[end..]].concat();
    let digits = hexadecimal(&cms::detached(signer, &signed)?);
    bytes.get_mut(room + 1..room + 1 + digits.len())?.copy_from_slice(digits.as_bytes());
    Some(bytes)
}

/// The certificate of who has signed the document last, and all of it; `None`: nobody has, or it is not as it was signed.
pub(super) fn signer_of(pdf: &[u8]) -> Option<Vec<u8>> {
    let name = b"/ByteRange";
    let at = pdf.windows(name.len()).rposition(|window| window == name)? + name.len();
    let numbers = pdf.get(at..)?.split(|byte| *byte == b']').next()?;
    let numbers = std::str::from_utf8(numbers).ok()?.trim_start().strip_prefix('[')?;
    let numbers: Vec<usize> =
        numbers.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [0, room, end, rest] = numbers[..] else { return None };
    // What was added after the signature is not signed.
    if end.checked_add(rest)? != pdf.len() {
        return None;
    }
    let digits = pdf.get(room..end)?.strip_prefix(b"<")?.strip_suffix(b">")?;
    let signature = bytes(digits)?;
    let signed = [pdf.get(..room)?, pdf.get(end..)?].concat();
    cms::signer_of(&signature, &signed)
}

/// The bytes of digits as [`seal`] writes them: small letters, and nothing but zeros behind the signature.
fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() % 2 == 0)?;
    let read = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    let all: Vec<u8> = read.collect::<Option<_>>()?;
    let used = super::der::Reader(&all).next()?.whole.len();
    let is_as_written = hexadecimal(&all) == digits && all[used..].iter().all(|byte| *byte == 0);
    is_as_written.then_some(all)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A text of any script: UTF-16 with its mark.
fn text(text: &str) -> Object {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    Object::String(units.flat_map(u16::to_be_bytes).collect(), StringFormat::Hexadecimal)
}

/// `D:20260302080000+08'00'`
fn moment(at: OffsetDateTime) -> Option<String> {
    let format = format_description!("D:[year][month][day][hour][minute][second]+08'00'");
    at.to_offset(offset!(+8)).format(format).ok()
}
