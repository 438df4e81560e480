//! Writes a report as the LIS writes it: MSH PID PV1 ORC OBR OBX NTE SPM.

use sim_kit::clock::{hl7_date, hl7_time};
use sim_kit::dice::Dice;
use sim_kit::person::Person;
use sim_kit::visit::Visit;
use sim_kit::world::WORLD;
use sim_kit::writer::{Segment, components, escape, repetitions};
use time::PrimitiveDateTime;

use super::laboratory::{Coded, LABORATORY};
use super::report::{Kind, Stage, measure};

/// A PDF of one empty page, as small as they get.
const PDF: &str = "JVBERi0xLjEKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAwIFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgNTk1IDg0Ml0+PmVuZG9iagp0cmFpbGVyPDwvUm9vdCAxIDAgUj4+Cg==";

/// Everything a report's message is made of.
pub(super) struct Telling<'a> {
    pub(super) control_id: &'a str,
    pub(super) version: &'a str,
    /// MSH-18.
    pub(super) charset: &'a str,
    pub(super) now: PrimitiveDateTime,
    pub(super) seed: u64,
    /// The report's number in the seed.
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    pub(super) person: &'a Person,
    pub(super) visit: &'a Visit,
    pub(super) inpatient: bool,
}

/// OBR-3.
pub(super) fn report_number(number: u64) -> String {
    format!("R26{:07}", number + 1)
}

fn order_number(number: u64) -> String {
    format!("A26{:07}", number + 1)
}

impl Telling<'_> {
    /// The message's segments.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut segments = vec![self.msh(), self.pid(), self.pv1()];
        let report = report_number(self.number);
        segments.push(self.orc(&report));
        segments.push(self.obr(1, &report, self.kind.panel()));
        let mut dice = Dice::new(self.seed, "results", self.number);
        // A correction measures again.
        if self.stage == Stage::Corrected {
            dice.roll();
        }
        match self.kind {
            Kind::Chemistry | Kind::Critical | Kind::Haematology | Kind::Preliminary => {
                self.numbers(&mut segments, &mut dice);
            }
            Kind::Serology => segments.extend(self.serology()),
            Kind::Document => segments.extend(self.document()),
            Kind::Microbiology => self.culture(&mut segments, &mut dice, &report),
        }
        if self.kind != Kind::Microbiology {
            segments.extend(self.specimen());
        }
        segments
    }

    fn msh(&self) -> Segment {
        let kind = if self.version == "2.4" { "ORU^R01" } else { "ORU^R01^ORU_R01" };
        Segment::new("MSH")
            .set(3, "LIS")
            .text(4, &WORLD.hospital.facility)
            .set(5, "HUITONG")
            .text(6, &WORLD.hospital.facility)
            .set(7, hl7_time(self.now))
            .set(9, kind)
            .set(10, self.control_id)
            .set(11, "P")
            .set(12, self.version)
            .set(18, self.charset)
    }

    fn pid(&self) -> Segment {
        let person = self.person;
        let mut numbers = vec![components(&[&person.patient_id, "", "", "HIS", "PI"])];
        let card = person.identifiers.iter().find(|paper| paper.kind == "NI");
        numbers.extend(card.map(|card| components(&[&card.value, "", "", &card.authority, card.kind])));
        let name = match &person.ideographs {
            Some(ideographs) => escape(ideographs),
            None => components(&[&person.family, &person.given]),
        };
        Segment::new("PID")
            .set(1, "1")
            .set(3, repetitions(&numbers))
            .set(5, name)
            .set(7, hl7_date(person.born))
            .set(8, person.sex)
    }

    fn pv1(&self) -> Segment {
        let place = &self.visit.place;
        let attending = self.visit.attending;
        Segment::new("PV1")
            .set(1, "1")
            .set(2, if self.inpatient { "I" } else { "O" })
            .set(3, components(&[place.unit, &place.room, &place.bed, &WORLD.hospital.facility]))
            .set(7, components(&[&attending.code, &attending.name]))
            .set(19, components(&[&self.visit.number, "", "", "HIS", "VN"]))
    }

    fn orc(&self, report: &str) -> Segment {
        let requester = self.visit.attending;
        Segment::new("ORC")
            .set(1, "RE")
            .set(2, components(&[&order_number(self.number), "HIS"]))
            .set(3, components(&[report, "LIS"]))
            .set(5, if self.stage == Stage::Preliminary { "IP" } else { "CM" })
            .set(12, components(&[&requester.code, &requester.name]))
    }

    fn obr(&self, set_id: usize, report: &str, panel: [&str; 5]) -> Segment {
        let [section, code, name, specimen, specimen_name] = panel;
        let [tester, reviewer] = self.staff();
        let requester = self.visit.attending;
        let mut segment = Segment::new("OBR")
            .set(1, set_id.to_string())
            .set(2, components(&[&order_number(self.number), "HIS"]))
            .set(3, components(&[report, "LIS"]))
            .set(4, components(&[code, name, "LIS"]))
            .set(7, hl7_time(self.earlier(90)))
            .set(14, hl7_time(self.earlier(60)))
            .set(16, components(&[&requester.code, &requester.name]))
            .set(22, hl7_time(self.now))
            .set(24, section)
            .set(25, self.stage.code())
            .set(32, format!("{}&{}", escape(&reviewer.code), escape(&reviewer.name)))
            .set(34, format!("{}&{}", escape(&tester.code), escape(&tester.name)));
        if self.version == "2.4" {
            // Before SPM the specimen stood here: code and name as one component of CMs' subcomponents.
            segment = segment.set(15, format!("{}&{}", escape(specimen), escape(specimen_name)));
        }
        segment
    }

    fn numbers(&self, segments: &mut Vec<Segment>, dice: &mut Dice) {
        for (at, item) in self.kind.items().iter().enumerate() {
            let critical = self.kind == Kind::Critical && at == 0;
            let pending = self.kind == Kind::Preliminary && self.stage == Stage::Preliminary && at == 0;
            let measured = measure(item, dice, critical);
            let name = components(&[&item.code, &item.name, "LIS", &item.loinc[0], &item.loinc[1], "LN"]);
            let mut segment = self.obx(at + 1, "NM", name).text(6, &item.unit).text(7, &item.reference);
            if !pending {
                segment = segment.set(5, measured.value).set(8, measured.flag);
            }
            segments.push(segment);
            if critical {
                segments.push(note(1, "危急值，已电话通知病区"));
            }
        }
        if self.stage == Stage::Corrected {
            segments.push(note(1, "更正报告：复查后修改"));
        }
    }

    /// One of everything that is not a plain number.
    fn serology(&self) -> Vec<Segment> {
        let name = |code: &str, name: &str| components(&[code, name, "LIS"]);
        vec![
            self.obx(1, "ST", name("AFP", "甲胎蛋白"))
                .text(5, "<0.5")
                .text(6, "ng/mL")
                .text(7, "<7.0")
                .set(8, "N"),
            self.obx(2, "ST", name("TPPA", "梅毒螺旋体抗体滴度"))
                .text(5, "1:320")
                .text(7, "<1:80")
                .set(8, "A"),
            self.obx(3, "ST", name("HBSAG", "乙型肝炎表面抗原"))
                .text(5, "阴性(-)")
                .text(7, "阴性")
                .set(8, "N"),
            self.obx(4, "SN", name("HCVAB", "丙型肝炎抗体"))
                .set(5, "<^0.05")
                .text(6, "S/CO")
                .text(7, "<1.00"),
            self.obx(5, "SN", name("ANA", "抗核抗体")).set(5, "^1^:^160").text(7, "<1:100").set(8, "A"),
            self.obx(6, "SN", name("RBCU", "尿红细胞"))
                .set(5, "^2^-^5")
                .text(6, "/HPF")
                .text(7, "0-3")
                .set(8, "H"),
            self.obx(7, "CE", name("ABO", "ABO血型")).set(5, components(&["AB", "AB型", "LISBLD"])),
            self.obx(8, "CE", name("RHD", "RhD血型")).set(5, components(&["POS", "阳性", "LISQUAL"])),
        ]
    }

    fn document(&self) -> Vec<Segment> {
        let text = "骨髓增生活跃，粒红比例正常。\n未见异常细胞 & 寄生虫。";
        vec![
            self.obx(1, "FT", components(&["BMR01", "细胞学所见", "LIS"])).text(5, text),
            self.obx(2, "ED", components(&["PDF", "报告单", "LIS"]))
                .set(5, format!("^Application^PDF^Base64^{PDF}")),
        ]
    }

    /// A culture with its germ, and a child report that points back at it (OBR-26, OBR-29).
    fn culture(&self, segments: &mut Vec<Segment>, dice: &mut Dice, report: &str) {
        let germ = dice.pick(&LABORATORY.organism);
        let found = components(&["ORG", "鉴定结果", "LIS"]);
        segments.push(
            self.obx(1, "CE", found.clone())
                .set(4, "1")
                .set(5, components(&[&germ.code, &germ.name, "LISORG"]))
                .set(8, "A"),
        );
        segments.push(note(1, "血培养阳性，报阳时间18小时"));
        segments.extend(self.specimen());
        let child = format!("{report}-1");
        let [section, _, _, specimen, specimen_name] = self.kind.panel();
        let panel = [section, "MB02", "药敏试验", specimen, specimen_name];
        // OBR-26 names the parent's result: its OBX-3, OBX-4 and OBX-5; OBR-29 the parent's own numbers.
        let parent = format!("{}^1^{}", found.replace('^', "&"), escape(&germ.name));
        let numbers = format!("{}&HIS^{report}&LIS", order_number(self.number));
        segments.push(self.orc(&child));
        segments.push(self.obr(2, &child, panel).set(11, "G").set(26, parent).set(29, numbers));
        for (at, drug) in LABORATORY.drug.iter().enumerate() {
            let strength = dice.below(3) as usize;
            segments.push(
                self.obx(at + 1, "ST", components(&[&drug.code, &drug.name, "LIS"]))
                    .set(4, "1")
                    .text(5, &drug.concentrations[strength])
                    .text(6, "ug/mL")
                    .set(8, ["S", "I", "R"][strength])
                    .text(17, "微量肉汤稀释法"),
            );
        }
    }

    fn obx(&self, set_id: usize, kind: &str, name: String) -> Segment {
        let [tester, _] = self.staff();
        let status = self.stage.code();
        Segment::new("OBX")
            .set(1, set_id.to_string())
            .set(2, kind)
            .set(3, name)
            .set(11, status)
            .set(14, hl7_time(self.earlier(20)))
            .set(16, components(&[&tester.code, &tester.name]))
    }

    /// From v2.5 on the specimen has its own segment.
    fn specimen(&self) -> Option<Segment> {
        let [.., code, name] = self.kind.panel();
        (self.version != "2.4").then(|| {
            Segment::new("SPM")
                .set(1, "1")
                .set(2, format!("^B26{:07}&LIS", self.number + 1))
                .set(4, components(&[code, name, "LISSPEC"]))
                .set(17, hl7_time(self.earlier(90)))
                .set(18, hl7_time(self.earlier(60)))
        })
    }

    /// Who tested and who reviewed: never the same person.
    fn staff(&self) -> [&'static Coded; 2] {
        let staff = &LABORATORY.staff;
        let at = (self.number % staff.len() as u64) as usize;
        [&staff[at], &staff[(at + 1) % staff.len()]]
    }

    fn earlier(&self, minutes: i64) -> PrimitiveDateTime {
        self.now.checked_sub(time::Duration::minutes(minutes)).unwrap_or(self.now)
    }
}

fn note(set_id: usize, text: &str) -> Segment {
    Segment::new("NTE").set(1, set_id.to_string()).set(2, "L").text(3, text)
}
