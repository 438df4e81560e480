//! Messages for the load: invented people, one a number.

use bytes::Bytes;

/// An ADT^A01 of about one kilobyte for the `nth` person.
pub fn adt(nth: u64) -> Bytes {
    let (patient, visit) = (1_000_000 + nth, 9_000_000 + nth);
    let day = 1 + nth % 28;
    let month = 1 + nth % 12;
    let year = 1940 + nth % 70;
    let text = format!(
        "MSH|^~\\&|HIS|BENCH|HUITONG|HUB|20261123081500+0800||ADT^A01^ADT_A01|B{nth}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
         EVN|A01|20261123081400+0800|||D0042^Wang^Fang^^^Dr\r\
         PID|1||{patient}^^^HIS^PI~440305{year}{month:02}{day:02}0011^^^PRC^NI||Zhang^San{nth}^^^Mr^^L~张三{nth}^^^^^^L^I||{year}{month:02}{day:02}|M|||18 Keyuan Road^Building 3^Shenzhen^Guangdong^518057^CHN^H||^PRN^CP^^86^755^8{patient}||zh|M||{visit}^^^HIS^VN\r\
         PD1||||D0007^Li^Na^^^Dr\r\
         NK1|1|Zhang^Wei|SPO^Spouse^HL70063|18 Keyuan Road^^Shenzhen^^518057^CHN|^PRN^CP^^86^755^7{patient}\r\
         PV1|1|I|W12^1203^02^BENCH^^BED^MAIN^12|E|||D0042^Wang^Fang^^^Dr|D0043^Zhao^Lei^^^Dr||MED||||7|||D0042^Wang^Fang^^^Dr|IP|{visit}^^^HIS^VN|||||||||||||||||||||||||20261123081000+0800\r\
         PV2|||I10^Essential hypertension^I10\r\
         AL1|1|DA|Z88.0^Penicillin^L|SV|Rash\r\
         DG1|1||I10^Essential hypertension^I10|Essential hypertension|20261123081000+0800|A\r"
    );
    Bytes::from(text)
}

/// An ADT^A01 that says no more than who was admitted where: it becomes a Patient and an Encounter, as in the figures of other engines.
pub fn plain_adt(nth: u64) -> Bytes {
    let (patient, visit) = (1_000_000 + nth, 9_000_000 + nth);
    let text = format!(
        "MSH|^~\\&|HIS|BENCH|HUITONG|HUB|20261123081500+0800||ADT^A01^ADT_A01|P{nth}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
         EVN|A01|20261123081400+0800\r\
         PID|1||{patient}^^^HIS^PI||Zhang^San{nth}^^^Mr^^L||19700101|M|||18 Keyuan Road^Building 3^Shenzhen^Guangdong^518057^CHN^H||^PRN^CP^^86^755^8{patient}||zh|M\r\
         PV1|1|I||E||||||MED||||7|||||{visit}^^^HIS^VN|||||||||||||||||||||||||20261123081000+0800\r"
    );
    Bytes::from(text)
}

/// The same for debugging (MSH-11), which the channel's filter keeps out: it is taken in, kept and no more.
pub fn debugging_adt(nth: u64) -> Bytes {
    let text = plain_adt(nth);
    Bytes::from(String::from_utf8_lossy(&text).replacen("|P|2.5.1|", "|D|2.5.1|", 1))
}

/// An ORU^R01 with 20 results for the `nth` person.
pub fn oru(nth: u64) -> Bytes {
    let (patient, visit, report) = (1_000_000 + nth, 9_000_000 + nth, 5_000_000 + nth);
    let mut text = format!(
        "MSH|^~\\&|LIS|BENCH|HUITONG|HUB|20261123091500+0800||ORU^R01^ORU_R01|L{nth}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
         PID|1||{patient}^^^HIS^PI||Zhang^San{nth}||19700101|M\r\
         PV1|1|I|W12^1203^02^BENCH||||||||||||||||{visit}^^^HIS^VN\r\
         ORC|RE|A{report}|{report}||CM\r\
         OBR|1|A{report}|{report}|CHEM20^Chemistry panel^LIS|||20261123083000+0800|||||||||D0042^Wang^Fang||||||20261123091000+0800||CH|F\r"
    );
    for item in 1..=20 {
        text.push_str(&format!(
            "OBX|{item}|NM|C{item:03}^Analyte {item}^LIS^2951-2^Sodium^LN||{}.{item}|mmol/L|3.5-{}.5|N|||F|||20261123090500+0800\r",
            4 + nth % 5,
            9 + item
        ));
    }
    Bytes::from(text)
}
