//! Who is listed, who is found and in what order: the rules DIR-1 to DIR-6, on a small hospital.

use hub_fhir::json::parse;
use hub_fhir::{Json, tree};
use time::Duration;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-27 10:00 +8);

/// A hospital of one department below another, and whoever is added.
#[derive(Default)]
struct House {
    roles: Vec<Object>,
    known: HashMap<Reference, Arc<Object>>,
    free: FreeSlots,
}

impl House {
    fn new() -> Self {
        let mut house = Self::default();
        house.know("Organization/szimh", r#"{"id":"szimh","name":"深圳国际医院","_name":{"extension":[{"url":
            "http://hl7.org/fhir/StructureDefinition/translation","extension":[{"url":"lang","valueCode":"en"},
            {"url":"content","valueString":"Shenzhen International"}]}]}}"#);
        house.know(
            "Organization/imc",
            r#"{"id":"imc","identifier":[{"value":"IMC"}],"name":"国际医疗中心",
            "partOf":{"reference":"Organization/szimh"}}"#,
        );
        house.know(
            "Organization/card",
            r#"{"id":"card","identifier":[{"value":"CARD"}],"name":"心内科",
            "partOf":{"reference":"Organization/imc"}}"#,
        );
        house
    }

    fn know(&mut self, reference: &str, text: &str) {
        let Json::Object(tree) = parse(text).unwrap() else { panic!("no object") };
        self.known.insert(Reference::parse(reference).unwrap(), Arc::new(tree));
    }

    /// A doctor of this id, name and title; `more` are members of the role.
    fn doctor(&mut self, id: &str, name: &str, title: &str, more: &str) {
        self.know(&format!("Practitioner/{id}"), &format!(r#"{{"id":"{id}","name":[{{"text":"{name}"}}]}}"#));
        let text = format!(
            r#"{{"id":"role-{id}","practitioner":{{"reference":"Practitioner/{id}"}},"organization":{{"reference":"Organization/card"}},
            "code":[{{"coding":[{{"system":"urn:impf:cs:title","code":"{title}"}}]}}]{more}}}"#
        );
        let Json::Object(role) = parse(&text).unwrap() else { panic!("no object") };
        self.roles.push(role);
    }

    fn is_free(&mut self, id: &str, hours: i64) {
        self.free.insert(Id::new(id).unwrap(), NOW + Duration::hours(hours));
    }

    fn find(&self, query: Query) -> (usize, Vec<String>) {
        let index = Index::of(self.roles.clone(), &self.known);
        let bookable = NOW..NOW + Duration::days(14);
        let found = index.find(&Query { count: 20, ..query }, &self.free, NOW, &bookable);
        (found.total, found.listed.iter().map(|listed| listed.doctor.id.to_string()).collect())
    }

    fn text(&self, text: &str) -> Vec<String> {
        self.find(Query { text: text.to_owned(), ..Query::default() }).1
    }
}

#[test]
fn dir_2_high_titles_are_listed_without_a_roster_and_others_only_where_they_serve() {
    let online = r#","extension":[{"url":"urn:impf:ext:online-service","valueBoolean":true}]"#;
    let mut house = House::new();
    house.doctor("a", "陈一", "231", "");
    house.doctor("b", "陈二", "232", "");
    house.doctor("c", "陈三", "233", "");
    house.doctor("d", "陈四", "234", "");
    house.doctor("e", "陈五", "234", online);
    house.doctor("f", "陈六", "233", "");
    house.is_free("f", 24);
    assert_eq!(house.text(""), ["f", "a", "b", "e"]);
    house.is_free("f", 24 * 14);
    assert_eq!(house.text(""), ["a", "b", "e"], "beyond the window");
    house.is_free("f", -1);
    assert_eq!(house.text(""), ["a", "b", "e"], "it has begun");
}

#[test]
fn dir_6_who_is_disabled_or_has_left_is_never_listed() {
    let mut house = House::new();
    house.doctor("a", "陈一", "231", r#","active":false"#);
    house.doctor("b", "陈二", "231", r#","period":{"end":"2026-11-26"}"#);
    house.doctor("c", "陈三", "231", r#","period":{"end":"2026-11"}"#);
    house.doctor("d", "陈四", "231", r#","period":{"end":"2026-11-27"}"#);
    house.doctor("e", "陈五", "231", "");
    house.know("Practitioner/e", r#"{"id":"e","active":false,"name":[{"text":"陈五"}]}"#);
    house.doctor("f", "陈六", "231", "");
    house.known.remove(&Reference::parse("Practitioner/f").unwrap());
    "abcdef".chars().for_each(|id| house.is_free(&id.to_string(), 24));
    assert_eq!(house.text(""), ["c", "d"]);
}

#[test]
fn dir_6_the_order_is_name_then_slot_then_title_then_tag() {
    let tagged = r#","meta":{"tag":[{"system":"urn:impf:cs:tag","code":"chief-team"}]}"#;
    let mut house = House::new();
    house.doctor("a", "林芳华", "232", "");
    house.doctor("b", "林芳华", "232", tagged);
    house.doctor("c", "林芳华", "231", "");
    house.doctor("d", "林芳华", "232", "");
    house.doctor("e", "林芳华", "233", "");
    house.doctor("f", "林芳", "232", "");
    house.is_free("d", 48);
    house.is_free("e", 24);
    assert_eq!(house.text("林芳"), ["f", "e", "d", "c", "b", "a"]);
    assert_eq!(house.text("linfang"), ["f", "e", "d", "c", "b", "a"]);
    assert_eq!(house.text("lfh"), ["e", "d", "c", "b", "a"]);
}

#[test]
fn dir_1_department_hospital_and_disease_are_searched_too_and_all_words_must_be_found() {
    let mut house = House::new();
    house.doctor("a", "陈一", "231", r#","specialty":[{"text":"冠心病、高血压"}]"#);
    house.doctor("b", "陈二", "231", r#","specialty":[{"coding":[{"display":"糖尿病"}]}]"#);
    for text in ["冠心病", "guanxin", "xinneike 高血壓", "shenzhen chenyi", "国际医院 陈一", "chenyi"]
    {
        assert_eq!(house.text(text), ["a"], "{text}");
    }
    assert_eq!(house.text("糖尿"), ["b"]);
    assert_eq!(house.text("xnk").len(), 2);
    assert_eq!(house.text("糖尿 高血压"), [""; 0]);
}

#[test]
fn a_department_is_meant_by_its_id_number_or_name_and_holds_those_below_it() {
    let mut house = House::new();
    house.doctor("a", "陈一", "231", "");
    for asked in ["Organization/card", "card", "CARD", "心内", "IMC", "Organization/szimh", "Shenzhen"] {
        let (department, hospital) = (Some(asked.to_owned()), Some(asked.to_owned()));
        let (total, _) = house.find(Query { department, ..Query::default() });
        assert_eq!(total, 1, "{asked}");
        assert_eq!(house.find(Query { hospital, ..Query::default() }).0, 1, "{asked}");
    }
    for asked in ["Organization/other", "外科", "Organization"] {
        assert_eq!(
            house.find(Query { department: Some(asked.to_owned()), ..Query::default() }).0,
            0,
            "{asked}"
        );
    }
}

#[test]
fn pages_go_on_where_the_one_before_ended() {
    let mut house = House::new();
    (0..45).for_each(|number| house.doctor(&format!("d{number:02}"), "陈一", "231", ""));
    let page = |offset| house.find(Query { offset, ..Query::default() });
    let pages: Vec<String> = [0, 20, 40].into_iter().flat_map(|offset| page(offset).1).collect();
    let expected: Vec<String> = (0..45).map(|number| format!("d{number:02}")).collect();
    assert_eq!((page(0).0, pages), (45, expected));
    assert_eq!(page(60), (45, Vec::new()));
}

#[test]
fn dir_4_what_is_kept_is_what_is_public() {
    let mut house = House::new();
    house.doctor("a", "陈一", "231", r#","telecom":[{"value":"1380013"}]"#);
    let practitioner = tree! { "resourceType" => "Practitioner", "id" => "a", "birthDate" => "1980-01-01" };
    house.known.insert(Reference::parse("Practitioner/a").unwrap(), Arc::new(practitioner));
    let index = Index::of(house.roles, &house.known);
    let doctor = &index.doctors()[0];
    assert!(doctor.role.get("telecom").is_none() && doctor.practitioner.get("birthDate").is_none());
}

/// P02: answers while typing. Run by hand: `cargo test --release -p hub-directory -- --ignored --nocapture`.
#[test]
#[ignore = "it measures"]
#[expect(clippy::print_stdout, reason = "it says what it has measured")]
fn two_thousand_doctors_are_looked_through_in_two_milliseconds() {
    let mut house = House::new();
    let letters: Vec<char> = "林知远何慧芳华明强伟丽建国文静海涛春梅".chars().collect();
    for number in 0..2_000 {
        let name: String =
            (0..3).map(|at| letters[(number * 7 + at * 5 + number / 19) % letters.len()]).collect();
        let specialty = r#","specialty":[{"text":"冠心病、高血压、心力衰竭、心律失常、心脏瓣膜病"}]"#;
        house.doctor(&format!("d{number}"), &name, "232", specialty);
        house.is_free(&format!("d{number}"), 24 + number as i64 % 200);
    }
    let index = Index::of(house.roles, &house.known);
    let bookable = NOW..NOW + Duration::days(14);
    for text in ["", "l", "lin", "林知", "xinnei lin", "高血壓", "nobody"] {
        let query = Query { text: text.to_owned(), count: 20, ..Query::default() };
        let times = (0..50).map(|_| {
            let begun = std::time::Instant::now();
            index.find(&query, &house.free, NOW, &bookable);
            begun.elapsed()
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        println!("{text:>12}: median {:?}, slowest {:?}", times[25], times[49]);
        assert!(times[25].as_millis() < 2, "{text}");
    }
}
