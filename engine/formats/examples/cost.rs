//! What reading costs: `cargo run --release -p hub-formats --example cost`.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::hint::black_box;
use std::time::Instant;

use hub_core::document::{Document, Parser};
use hub_core::path::Path;
use hub_formats::hl7v2::{Ack, AckCode, Header, Hl7Parser};

/// The median of eleven rounds, in nanoseconds.
fn nanoseconds(mut work: impl FnMut()) -> u128 {
    const TIMES: u32 = 2000;
    let mut rounds: Vec<u128> = (0..11)
        .map(|_| {
            let begin = Instant::now();
            (0..TIMES).for_each(|_| work());
            begin.elapsed().as_nanos() / u128::from(TIMES)
        })
        .collect();
    rounds.sort_unstable();
    rounds[5]
}

fn admission() -> String {
    let segments = [
        "MSH|^~\\&|HIS|HOSPITAL|HUITONG|HUB|20261122083000||ADT^A01^ADT_A01|MSG00001|P|2.5.1||||||UNICODE UTF-8",
        "EVN|A01|20261122083000|||1001^Wang^Fang",
        "PID|1||P000123^^^HIS^PI~110101199003074514^^^PRC^NI||Li^Ming^^^^^L||19900307|M|||1 Long Road^^Shanghai^SH^200000^CN^H||^PRN^PH^^^^13800001111|||M||V0001",
        "PD1||||2002^Chen^Lei",
        "NK1|1|Li^Hong|SPO^Spouse^HL70063|1 Long Road^^Shanghai^SH^200000^CN|^PRN^PH^^^^13900002222",
        "NK1|2|Li^Gang|FTH^Father^HL70063||^PRN^PH^^^^13700003333",
        "PV1|1|I|W1^B12^03^HOSPITAL||||3003^Zhao^Qiang|4004^Qian^Li||MED||||1|||3003^Zhao^Qiang|IP|V0001|||||||||||||||||||||||||20261122080000",
        "PV2|||^Chest pain",
        "AL1|1|DA|^Penicillin|SV|Rash",
        "DG1|1||I20.9^Angina pectoris^ICD10|||A",
        "IN1|1|BASIC^Basic medical insurance|YB01|Shanghai Medical Insurance||||||||20260101|20261231|||Li^Ming|SEL",
    ];
    segments.join("\r") + "\r"
}

fn result() -> String {
    let mut text = String::from(
        "MSH|^~\\&|LIS|LAB|HUITONG|HUB|20261122||ORU^R01^ORU_R01|7|P|2.5.1\rPID|1||P1^^^HIS^PI||Li^Ming\rOBR|1|A1|F1|CBC^Count\r",
    );
    for at in 0..50 {
        text += &format!(
            "OBX|{at}|NM|C{at}^Name of {at}^LIS^1234-{at}^^LN||{at}.5|mmol/L|3.5-5.5|H|||F|||20261122083000||5005^Sun\r"
        );
    }
    text
}

fn main() {
    let parser = Hl7Parser::default();
    for (name, text) in [("ADT^A01", admission()), ("ORU^R01 with 50 OBX", result())] {
        let bytes = text.as_bytes();
        let report =
            |what: &str, cost: u128| println!("{name:20} {:6} bytes  {what:28} {cost:8} ns", bytes.len());
        report(
            "hl7-parser alone",
            nanoseconds(|| _ = black_box(hl7_parser::parse_message(black_box(&text)))),
        );
        report("parse", nanoseconds(|| _ = black_box(parser.read(black_box(bytes)))));
        let lane = Path::parse("PID-3.1").expect("the path is right");
        report("peek PID-3.1", nanoseconds(|| _ = black_box(parser.peek(black_box(bytes), &lane))));
        report("header", nanoseconds(|| _ = black_box(Header::read(black_box(bytes)))));
        let header = Header::read(bytes).expect("the message is right");
        let ack = Ack { code: AckCode::AA, to: Some(&header), error: None };
        report("write an ACK", nanoseconds(|| _ = black_box(ack.write("1", "20261122083000"))));
        let document = parser.read(bytes).expect("the message is right");
        let mut found = Vec::with_capacity(64);
        for path in ["PID-5.1", "PV1-3.2", "OBX-5"] {
            let path = Path::parse(path).expect("the path is right");
            let cost = nanoseconds(|| {
                found.clear();
                document.select(document.root(), &path, &mut found);
                found.iter().for_each(|node| _ = black_box(document.text(*node)));
            });
            report(&format!("select and read {path}"), cost);
        }
    }
}
