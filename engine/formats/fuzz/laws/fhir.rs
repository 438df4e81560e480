//! Any bytes are read as FHIR or refused; what was read is written and read again; pieces of a split are FHIR by themselves.

use bytes::Bytes;
use hub_core::document::{Parser, Split, Writer};
use hub_core::path::Path;
use hub_formats::fhir::{FhirParser, FhirWriter};

use super::look::look;

pub fn check(data: &[u8]) {
    for lines in [false, true] {
        let parser = FhirParser { lines };
        let bytes = Bytes::copy_from_slice(data);
        let document = match parser.read(data) {
            Ok(document) => document,
            Err(error) => {
                assert!(error.at <= data.len());
                assert!(parser.split(&bytes, &Split::Messages).is_err());
                continue;
            }
        };
        look(&document);
        let resources = document.resources();
        let pieces = parser.split(&bytes, &Split::Messages).expect("what can be read can be split");
        assert!(!lines || pieces.len() == resources.len());
        for piece in &pieces {
            parser.read(&piece.bytes).expect("a piece is a message by itself");
        }
        for path in ["Bundle.entry", "Patient", "Observation", "Patient.name", "Bundle.entry.resource"] {
            let by = Split::At(Path::parse(path).expect("the path is right"));
            for piece in parser.split(&bytes, &by).unwrap_or_default() {
                parser.read(&piece.bytes).expect("a piece is a message by itself");
            }
        }
        for resource in &resources {
            if let Ok(written) = FhirWriter::default().write(resource) {
                let again = FhirParser::default().read(&written).expect("what was written can be read");
                assert!(
                    again.resources() == std::slice::from_ref(resource),
                    "a resource is written as another one"
                );
            }
        }
    }
}
