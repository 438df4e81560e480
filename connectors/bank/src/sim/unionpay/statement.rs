//! The bill of the dialect `unionpay` as a file: fixed columns in GBK, in a ZIP archive, in DEFLATE, in Base64.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::GBK;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use time::Date;

use crate::sim::bill::Line;
use crate::sim::clock::digits;

/// The `fileContent` of a day.
pub(crate) fn content(merchant: &str, date: Date, lines: &[Line], is_tampered: bool) -> String {
    let mut file = Vec::new();
    for line in lines {
        file.extend(row(merchant, line));
        file.extend(b"\r\n");
    }
    let sum = crc(&file);
    if is_tampered && let Some(byte) = file.first_mut() {
        *byte = b'X';
    }
    let year = date.year().rem_euclid(100);
    let name = format!("INN{year:02}{:02}{:02}ZM_{merchant}", u8::from(date.month()), date.day());
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = packed.write_all(&archive(&name, &file, sum)).and_then(|()| packed.finish());
    STANDARD.encode(written.expect("writing into memory does not fail"))
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A ZIP archive of one file that is not packed.
fn archive(name: &str, file: &[u8], sum: u32) -> Vec<u8> {
    let size = (file.len() as u32).to_le_bytes();
    // Version, flags, method, time and day, sum, both sizes, the name's length, no more fields.
    let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    head.extend(sum.to_le_bytes());
    head.extend(size);
    head.extend(size);
    head.extend((name.len() as u16).to_le_bytes());
    head.extend([0, 0]);
    let mut bytes = [b"PK\x03\x04".as_slice(), &head, name.as_bytes(), file].concat();
    let directory = bytes.len() as u32;
    bytes.extend([b"PK\x01\x02\x14\x00".as_slice(), &head, &[0; 14], name.as_bytes()].concat());
    let length = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn row(merchant: &str, line: &Line) -> Vec<u8> {
    let stamp = digits(line.at);
    let signed = |fen: i64| format!("{}{:012}", if fen < 0 { "D" } else { "C" }, fen.abs());
    let comes = if line.is_refund { -line.fen } else { line.fen };
    let (code, kind, number, trade_no) = if line.is_refund {
        ("S30", "04", &line.refund, &line.refund_no)
    } else {
        ("S22", "01", &line.order, &line.trade_no)
    };
    let amount = format!("{:012}", line.fen);
    let nothing = signed(0);
    let columns: [(usize, &str); 41] = [
        (3, code),
        (11, "00010000"),
        (11, "00010000"),
        (6, "000001"),
        (10, &stamp[4..]),
        (19, ""),
        (12, &amount),
        (4, "8062"),
        (2, "07"),
        (21, trade_no),
        (2, "01"),
        (32, number),
        (2, "01"),
        (6, ""),
        (10, ""),
        (13, &signed(-line.fee)),
        (13, &signed(comes - line.fee)),
        (4, "0001"),
        (15, ""),
        (2, kind),
        (2, "01"),
        (6, "000201"),
        (2, "01"),
        (4, ""),
        (32, ""),
        (1, "0"),
        (21, if line.is_refund { &line.trade_no } else { "" }),
        (15, merchant),
        (1, ""),
        (15, ""),
        // Chinese: a reader that cuts by characters is lost from here on.
        (32, "模拟国际医院"),
        (13, &nothing),
        (13, &signed(comes - line.fee)),
        (8, ""),
        (32, if line.is_refund { &line.order } else { "" }),
        (13, &nothing),
        (13, &nothing),
        (12, ""),
        (2, ""),
        (1, ""),
        (131, ""),
    ];
    let columns = columns.iter().map(|(width, text)| {
        let mut bytes = GBK.encode(text).0.into_owned();
        bytes.resize(*width, b' ');
        bytes
    });
    columns.collect::<Vec<_>>().join(&b' ')
}
