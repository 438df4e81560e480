//! Searches against a brute-force evaluation over the search rows of every resource.

use std::collections::BTreeMap;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources};
use hub_fhir::parameters::Parameters;
use hub_fhir::search::{Search, parse, parse_across};
use hub_fhir::{Prepared, Reference, Resource, ResourceType, compartments};

use super::brute_force::{Known, expected};
use super::resource;

/// A small generator, so that every run asks the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

fn patient(dice: &mut Dice, n: usize) -> Resource {
    let family =
        dice.pick(&["Wang", "Wáng", "Müller", "muller", "O'Neil", "Smith", "Smithson", "王", "張", "单"]);
    let mut text = format!(r#"{{"resourceType":"Patient","id":"p{n}""#);
    text.push_str(&format!(
        r#","identifier":[{{"system":"urn:mrn","value":"{n}"}},{{"value":"{}","type":{{"coding":[{{"system":"urn:types","code":"{}"}}],"text":"{}"}}}}]"#,
        n % 50,
        dice.pick(&["MR", "SS"]),
        dice.pick(&["Medical record", "医保卡"]),
    ));
    if dice.roll(5) > 0 {
        text.push_str(&format!(
            r#","name":[{{"family":"{family}","given":["Li","{}"]}}]"#,
            dice.pick(&["An", "Bo", "小明", "国"])
        ));
    }
    if dice.roll(4) > 0 {
        text.push_str(&format!(r#","gender":"{}""#, dice.pick(&["male", "female", "other"])));
    }
    if dice.roll(4) > 0 {
        let date = dice.pick(&["1980", "1980-02", "1980-02-11", "1991-07-01", "1991-07-02", "2001-12"]);
        text.push_str(&format!(r#","birthDate":"{date}""#));
    }
    text.push('}');
    resource(&text)
}

fn observation(dice: &mut Dice, n: usize, patients: usize) -> Resource {
    let mut text = format!(
        r#"{{"resourceType":"Observation","id":"o{n}","status":"{}""#,
        dice.pick(&["final", "amended"])
    );
    let system = dice.pick(&[r#""system":"http://loinc.org","#, r#""system":"urn:local","#, ""]);
    text.push_str(&format!(
        r#","code":{{"coding":[{{{system}"code":"{}","display":"{}"}}],"text":"{}"}}"#,
        dice.pick(&["718-7", "2823-3", "x"]),
        dice.pick(&["Hemoglobin in blood", "Hämatokrit", "血红蛋白"]),
        dice.pick(&["hb", "Blood count", "血红蛋白测定"])
    ));
    let patient = dice.roll(patients);
    text.push_str(&match dice.roll(9) {
        0 => format!(r#","subject":{{"identifier":{{"system":"urn:mrn","value":"{patient}"}}}}"#),
        1 => format!(
            r#","subject":{{"reference":"Patient/p{patient}","identifier":{{"value":"{}"}}}}"#,
            patient % 7
        ),
        _ => format!(r#","subject":{{"reference":"Patient/p{patient}"}}"#),
    });
    match dice.roll(4) {
        0 => {}
        1 => text.push_str(r#","effectivePeriod":{"start":"2024-05-01"}"#),
        2 => text.push_str(r#","effectivePeriod":{"start":"2024-04-01","end":"2024-05-20"}"#),
        _ => text.push_str(&format!(
            r#","effectiveDateTime":"2024-{:02}-{:02}T{:02}:00:00Z""#,
            dice.roll(12) + 1,
            dice.roll(28) + 1,
            dice.roll(24)
        )),
    }
    match dice.roll(5) {
        0 => {}
        1 => text.push_str(&format!(r#","valueQuantity":{{"value":{},"unit":"g/L"}}"#, dice.roll(9))),
        2 => text.push_str(&format!(
            r#","valueQuantity":{{"value":{}.5,"comparator":"{}","unit":"mmol/L","system":"urn:units","code":"mmol"}}"#,
            dice.roll(9),
            dice.pick(&["<", "<=", ">", ">="])
        )),
        _ => text.push_str(&format!(
            r#","valueQuantity":{{"value":{},"unit":"units","system":"http://unitsofmeasure.org","code":"{}"}}"#,
            dice.pick(&["-1", "0", "5", "5.0", "5.35", "5.4", "5.45", "540", "1e2", "100.00"]),
            dice.pick(&["g/L", "mg/dL", "{cells}/uL"])
        )),
    }
    if dice.roll(3) == 0 {
        text.push_str(&format!(
            r#","component":[{{"code":{{"coding":[{{"code":"{}"}}]}},"valueQuantity":{{"value":{}}}}},{{"code":{{"coding":[{{"code":"b"}}]}},"valueQuantity":{{"value":7,"unit":"g/L"}}}}]"#,
            dice.pick(&["a", "b", "x"]),
            dice.roll(9)
        ));
    }
    let source = dice.pick(&["http://lab", "http://lab/a", "http://lab/a/b", "http://labour", "urn:oid:1.2"]);
    text.push_str(&format!(r#","meta":{{"source":"{source}"}}"#));
    text.push('}');
    resource(&text)
}

pub async fn write(resources: &dyn Resources, changes: Vec<Change>) {
    let commit = Commit { changes, ..Commit::default() };
    resources.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
}

/// Everything searches find, page by page.
pub async fn all_pages(resources: &dyn Resources, mut searches: Vec<Search>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = resources.search_across(&searches).await.unwrap();
        assert!(page.matches.len() <= searches[0].count as usize);
        found.extend(page.matches.iter().map(|stored| stored.reference.to_string()));
        match page.next {
            Some(next) => searches.iter_mut().for_each(|search| search.after = Some(next.clone())),
            None => return found,
        }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A search of its text.
pub fn search(kind: &str, query: &str) -> Search {
    parse(ResourceType::from_name(kind).unwrap(), &pairs(query))
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// A search of the types that are named, or of all.
fn across(kinds: &str, query: &str) -> Vec<Search> {
    let kinds: Vec<ResourceType> = match kinds {
        "" => ResourceType::all().collect(),
        _ => kinds.split(',').filter_map(ResourceType::from_name).collect(),
    };
    parse_across(&kinds, &pairs(query), None, Parameters::of_r4b())
        .unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// A search of what is in the compartment of a patient.
fn within(focus: &str, kinds: &str, query: &str) -> Vec<Search> {
    let focus = Reference::parse(focus).unwrap();
    let searches = across(kinds, query).into_iter().filter_map(|mut search| {
        search.filters.push(compartments::filter(&focus, search.kind)?);
        Some(search)
    });
    searches.collect()
}

const PATIENTS: usize = 120;
const OBSERVATIONS: usize = 400;

/// Every search finds what the search rows say, in the order asked for, in pages of any size.
pub async fn searches_find_what_the_search_rows_say(resources: &dyn Resources) {
    let mut dice = Dice(7);
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut place = 0;
    // Twice, so that the second time rows change; then some are deleted.
    for _ in 0..2 {
        let patients = (0..PATIENTS).map(|n| patient(&mut dice, n)).collect::<Vec<_>>();
        let observations = (0..OBSERVATIONS).map(|n| observation(&mut dice, n, PATIENTS)).collect::<Vec<_>>();
        for resource in patients.into_iter().chain(observations) {
            let name = resource.reference().to_string();
            let rows = Prepared::of(&resource).rows;
            place += 1;
            let place = known.get(&name).map_or(place, |known| known.place);
            let (kind, id) = (resource.kind(), resource.id().to_string());
            known.insert(name.clone(), Known { name, kind, id, place, rows });
            write(resources, vec![Change::Put(resource)]).await;
        }
    }
    for n in 0..10 {
        let name = format!("Observation/o{}", n * 7);
        known.remove(&name);
        write(resources, vec![Change::Delete(super::reference(&name))]).await;
    }
    let queries = [
        ("Patient", "identifier=urn:mrn|17"),
        ("Patient", "identifier=17"),
        ("Patient", "identifier=|17"),
        ("Patient", "identifier=urn:mrn|"),
        ("Patient", "identifier=urn:mrn|3,|4"),
        ("Patient", "family=wang"),
        ("Patient", "family=smith&_sort=family,-birthdate"),
        ("Patient", "family:exact=Smith"),
        ("Patient", "family=wang,shan&_sort=birthdate"),
        ("Patient", "name=Zhang Li xiao"),
        ("Patient", "name:contains=ming&gender:not=male"),
        ("Patient", "family=张"),
        ("Patient", "family:exact=張"),
        ("Patient", "family:exact=张"),
        ("Patient", "given=xm&_sort=-family"),
        ("Patient", "family:contains=ull&gender=male"),
        ("Patient", "gender:not=male&_sort=birthdate"),
        ("Patient", "gender:missing=true&_sort=-family"),
        ("Patient", "birthdate:missing=false&_sort=-birthdate"),
        ("Patient", "birthdate=1980"),
        ("Patient", "birthdate=ne1980"),
        ("Patient", "birthdate=ge1980-02-11&birthdate=lt1991-07-02"),
        ("Patient", "birthdate=gt1980-02"),
        ("Patient", "birthdate=le1980-02"),
        ("Patient", "birthdate=sa1980-02,eb1980"),
        ("Patient", "_id=p1,p2,p3&gender:not=other"),
        ("Patient", "_sort=_id"),
        ("Patient", "_sort=gender"),
        ("Patient", "_sort=-given"),
        ("Patient", "_sort=identifier"),
        ("Observation", "patient=p5"),
        ("Observation", "subject=Patient/p5&code=718-7&_sort=-date"),
        ("Observation", "code=http://loinc.org|718-7&_sort=date"),
        ("Observation", "code=|x&status=final"),
        ("Observation", "date=ge2024-05-01&_sort=date"),
        ("Observation", "date=lt2024-05-01&_sort=-date"),
        ("Observation", "date=2024-05"),
        ("Observation", "status=final&date=sa2024-05-20&_sort=status,date"),
        ("Observation", "_sort=patient,-code"),
        ("Observation", "value-quantity=5.4"),
        ("Observation", "value-quantity=5"),
        ("Observation", "value-quantity=1e2,0"),
        ("Observation", "value-quantity=ne5.4&_sort=value-quantity"),
        ("Observation", "value-quantity=gt5.4&_sort=-value-quantity"),
        ("Observation", "value-quantity=ge5.40"),
        ("Observation", "value-quantity=lt5.4&_sort=value-quantity,date"),
        ("Observation", "value-quantity=le0"),
        ("Observation", "value-quantity=sa5"),
        ("Observation", "value-quantity=eb5"),
        ("Observation", "value-quantity=ap5&status=final"),
        ("Observation", "value-quantity=5.4|http://unitsofmeasure.org|g/L"),
        ("Observation", "value-quantity=lt540|http://unitsofmeasure.org|mg/dL&_sort=value-quantity"),
        ("Observation", "value-quantity=ge1|http://unitsofmeasure.org|10*9/L"),
        ("Observation", "value-quantity=ge1|urn:units|mmol"),
        ("Observation", "value-quantity=5||g/L"),
        ("Observation", "value-quantity=gt2||units,lt3||mmol/L"),
        ("Observation", "value-quantity:missing=true&code=x"),
        ("Observation", "combo-value-quantity=7&_sort=combo-value-quantity"),
        ("Observation", "combo-value-quantity=lt3&_sort=-combo-value-quantity"),
        ("Observation", "component-value-quantity=7||g/L"),
        ("Observation", "code-value-quantity=x$5"),
        ("Observation", "code-value-quantity=http://loinc.org|718-7$lt3||g/L,x$gt100"),
        ("Observation", "combo-code-value-quantity=a$7"),
        ("Observation", "combo-code-value-quantity=b$7&_sort=-date"),
        ("Observation", "combo-code-value-quantity=x$lt6,2823-3$lt6"),
        ("Observation", "component-code-value-quantity=b$7||g/L"),
        ("Observation", "component-code-value-quantity=a$7&status=final"),
        ("Observation", "code-value-concept=x$y"),
        ("Observation", "patient.family=wang"),
        ("Observation", "subject:Patient.family:exact=Smith&_sort=date"),
        ("Observation", "subject.gender:not=male&code=x"),
        ("Observation", "patient.birthdate=ge1980-02-11&_sort=-date"),
        ("Observation", "patient.identifier=urn:mrn|5"),
        ("Observation", "patient._id=p5,p6"),
        ("Observation", "patient.name:missing=true"),
        ("Observation", "subject:Patient._has:Observation:patient:code=718-7&status=final"),
        ("Patient", "_has:Observation:patient:code=718-7"),
        ("Patient", "_has:Observation:subject:value-quantity=lt3&gender=male"),
        ("Patient", "_has:Observation:patient:combo-code-value-quantity=b$7&_sort=birthdate"),
        ("Patient", "_has:Observation:patient:patient.family=smith"),
        ("Patient", "_has:Observation:patient:_has:Provenance:target:agent=x"),
        ("Patient", "_has:Observation:patient:status:not=final"),
        ("Patient", "_has:Observation:patient:_id=o3"),
        ("Observation", "code:text=hem"),
        ("Observation", "code:text=HAMATO&_sort=-date"),
        ("Observation", "code:text=血红蛋白,hb&code=x"),
        ("Observation", "combo-code:text=blood count&status=final"),
        ("Observation", "code:text=count"),
        ("Observation", "subject:identifier=urn:mrn|5,urn:mrn|17"),
        ("Observation", "patient:identifier=3&_sort=date"),
        ("Observation", "subject:identifier=|3&status=final"),
        ("Observation", "subject:identifier=urn:mrn|"),
        ("Observation", "patient.identifier:of-type=urn:types|MR|5"),
        ("Patient", "identifier:of-type=urn:types|MR|17,urn:types|SS|3"),
        ("Patient", "identifier:of-type=urn:types|XX|17"),
        ("Patient", "identifier:text=医保&gender=male"),
        ("Patient", "identifier:text=medical"),
        ("Observation", "code-value-quantity:missing=true&_sort=date"),
        ("Observation", "code-value-quantity:missing=false&code=x"),
        ("Observation", "combo-code-value-quantity:missing=false"),
        ("Observation", "component-code-value-quantity:missing=true&status=final"),
        ("Observation", "_source=http://lab/a"),
        ("Observation", "_source:below=http://lab"),
        ("Observation", "_source:below=http://lab/a/"),
        ("Observation", "_source:above=http://lab/a/b"),
        ("Observation", "_source:contains=lab/&_sort=_source"),
        ("Observation", "_source:missing=false&_source=urn:oid:1.2"),
    ];
    let mut asked: Vec<(String, Vec<Search>)> = Vec::new();
    for (kind, query) in queries.into_iter().chain(FILTERS) {
        asked.push((format!("{kind}?{query}"), vec![search(kind, query)]));
    }
    for (kinds, query) in ACROSS {
        asked.push((format!("?_type={kinds}&{query}"), across(kinds, query)));
    }
    for (kinds, query) in WITHIN {
        asked.push((format!("Patient/p5/{kinds}?{query}"), within("Patient/p5", kinds, query)));
    }
    for (name, mut searches) in asked {
        searches.iter_mut().for_each(|search| search.total = true);
        let expected = expected(&known, &searches);
        // A dozen pages or so of what is found, and all of it at once.
        let few = if expected.len() > 100 { 61 } else { 7 };
        for count in [1_000, few] {
            searches.iter_mut().for_each(|search| search.count = count);
            let total = resources.search_across(&searches).await.unwrap().total;
            assert_eq!(total, Some(expected.len() as u64), "{name}");
            let mut found = all_pages(resources, searches.clone()).await;
            let mut expected = expected.clone();
            if searches[0].sort.is_empty() {
                // By the time of the last write, which the brute force does not know.
                found.sort();
                expected.sort();
            }
            assert_eq!(found, expected, "{name} by {count}");
        }
    }
    let counted = resources.search(&search("Patient", "_summary=count")).await.unwrap();
    assert_eq!((counted.total, counted.matches.len()), (Some(PATIENTS as u64), 0));
    let most = vec!["patient.family eq smith"; 200].join(" or ");
    let found = resources.search(&search("Observation", &format!("_filter={most}"))).await.unwrap();
    assert!(!found.matches.is_empty());
    includes(resources).await;
}

const FILTERS: [(&str, &str); 30] = [
    ("Patient", "_filter=family eq wang"),
    ("Patient", r#"_filter=family eq "O'Neil" or family sw smith"#),
    ("Patient", "_filter=family ne smith"),
    ("Patient", "_filter=given ew o and family co ull"),
    ("Patient", "_filter=not (gender eq male)"),
    ("Patient", "_filter=gender ne male"),
    ("Patient", "_filter=gender pr false or birthdate pr false"),
    ("Patient", "_filter=identifier eq urn:mrn|17"),
    ("Patient", "_filter=identifier ne urn:mrn|17 and _id ne p3"),
    (
        "Patient",
        "_filter=(family eq wang or family eq muller) and not (birthdate ge 1991)&_sort=birthdate,family",
    ),
    ("Patient", "_filter=birthdate po 1980-02 or birthdate sa 1991-07-01"),
    ("Patient", "_filter=birthdate lt 1991 and birthdate ne 1980-02-11 and given eq bo"),
    ("Patient", "_filter=_id eq p7 or _id eq p8 or not (not (_id eq p9))"),
    ("Observation", "_filter=value-quantity gt 5.4"),
    ("Observation", "_filter=value-quantity ne 5.4 and status eq final"),
    ("Observation", "_filter=code eq http://loinc.org|718-7 and date eb 2024-05"),
    ("Observation", "_filter=patient eq Patient/p5 or subject re Patient/p6"),
    ("Observation", "_filter=patient ne Patient/p5 and patient.family eq wang"),
    ("Observation", "_filter=patient[gender eq male].family sw smi&_sort=date"),
    ("Observation", "_filter=subject:Patient[gender eq male and birthdate pr true].identifier eq 17"),
    ("Observation", "_filter=combo-code-value-quantity eq a$7 or code-value-quantity eq x$5"),
    ("Observation", "_filter=_source co lab/ and not (_source eq http://lab/a)"),
    ("Observation", "_filter=value-quantity ap 5 and value-quantity pr true"),
    (
        "Observation",
        "_filter=status eq final and (code eq x or (date ge 2024-05-01 and code eq 718-7))&_sort=-date",
    ),
    ("Observation", "_sort=patient.family"),
    ("Observation", "_sort=-subject:Patient.birthdate,code"),
    ("Observation", "_sort=status,-patient.family,date"),
    ("Observation", "patient.gender=male&_sort=patient.birthdate"),
    ("Observation", "_sort=-patient._id,date"),
    ("Observation", "status=final&_sort=patient._lastUpdated,-_id"),
];

/// Of several types.
const ACROSS: [(&str, &str); 8] = [
    ("", "_id=p5,o5"),
    ("Patient,Observation,Encounter,Basic,Flag", "_sort=_id"),
    ("Patient,Observation", "_sort=-_id"),
    ("Patient,Observation", "_source:missing=true&_sort=_id"),
    ("Patient,Observation", "_source=http://lab/a"),
    ("Patient,Observation", "identifier=17,18&_sort=identifier,_id"),
    ("Observation,Patient", "_source:contains=lab&_sort=-_source,_id"),
    ("Organization", ""),
];

/// Of what is in a patient's compartment.
const WITHIN: [(&str, &str); 6] = [
    ("Observation", ""),
    ("Observation", "code=718-7&_sort=-date"),
    ("Observation", "status:not=final"),
    ("Patient", "_sort=_id"),
    ("", "_sort=_id"),
    ("Patient,Observation,Organization", "_filter=_id ne o3"),
];

async fn includes(resources: &dyn Resources) {
    let observations = search("Observation", "patient=p5&_include=Observation:subject");
    let page = resources.search(&observations).await.unwrap();
    assert!(!page.matches.is_empty());
    let names = |stored: &[hub_fhir::search::Stored]| {
        stored.iter().map(|stored| stored.reference.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&page.included), ["Patient/p5"]);
    let patients = search("Patient", "_id=p5&_revinclude=Observation:subject");
    let mut included = names(&resources.search(&patients).await.unwrap().included);
    let mut matches = names(&resources.search(&search("Observation", "patient=p5")).await.unwrap().matches);
    included.sort();
    matches.sort();
    assert_eq!(included, matches);
    let all = search("Patient", "_id=p5&_revinclude=*");
    let mut included = names(&resources.search(&all).await.unwrap().included);
    included.sort();
    assert_eq!(included, matches);
}

/// Pages follow one another without a gap or a repeat while others write.
pub async fn pages_neither_lose_nor_repeat_while_others_write(resources: &dyn Resources) {
    for n in 0..40 {
        let text = format!(r#"{{"resourceType":"Location","id":"l{n}","name":"ward {:02}"}}"#, n);
        write(resources, vec![Change::Put(resource(&text))]).await;
    }
    let mut page = search("Location", "_sort=name");
    page.count = 7;
    let mut found = Vec::new();
    for round in 0.. {
        let answer = resources.search(&page).await.unwrap();
        found.extend(answer.matches.iter().map(|stored| stored.reference.id.to_string()));
        // Before and after the place reached, and changes of what was seen.
        let text = format!(r#"{{"resourceType":"Location","id":"new{round}","name":"a ward {round}"}}"#);
        write(resources, vec![Change::Put(resource(&text))]).await;
        let text =
            format!(r#"{{"resourceType":"Location","id":"l0","name":"ward 00","description":"{round}"}}"#);
        write(resources, vec![Change::Put(resource(&text))]).await;
        match answer.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    let expected: Vec<String> = (0..40).map(|n| format!("l{n}")).collect();
    assert_eq!(found, expected);
}
