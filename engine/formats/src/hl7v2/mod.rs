//! HL7 v2 in its own notation (ER7): bytes to documents, headers, acknowledgements.

mod ack;
mod ack_read;
mod arrange;
mod batch;
mod batch_header;
mod build;
mod charset;
mod document;
mod escape;
mod escape_sets;
mod header;
mod parse;
mod peek;
mod select;
mod separators;
mod split;
mod structure;
mod tree;
mod write;

pub use ack::{Ack, AckCode, AckError, ErrorKind};
pub use ack_read::AckRead;
pub use batch::is_batch;
pub use charset::{Charset, CharsetOrigin, Undeclared};
pub use document::Hl7Document;
pub use escape::{escape, unescape};
pub use header::Header;
pub use parse::Hl7Parser;
pub use separators::Separators;
pub use write::Hl7Writer;
