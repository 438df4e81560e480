//! Searches against a brute-force evaluation over the search rows of every resource.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hub_core::commit::{Change, Commit};
use hub_core::store::{Cause, Resources};
use hub_fhir::index::{IndexRow, IndexValue, ParamId};
use hub_fhir::search::{Counted, Filter, FilterOn, Prefix, Search, StringTest, Test, parse};
use hub_fhir::{Prepared, Resource, ResourceType};

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
    let family = dice.pick(&["Wang", "Wáng", "Müller", "muller", "O'Neil", "Smith", "Smithson"]);
    let mut text = format!(r#"{{"resourceType":"Patient","id":"p{n}""#);
    text.push_str(&format!(
        r#","identifier":[{{"system":"urn:mrn","value":"{n}"}},{{"value":"{}"}}]"#,
        n % 50
    ));
    if dice.roll(5) > 0 {
        text.push_str(&format!(
            r#","name":[{{"family":"{family}","given":["Li","{}"]}}]"#,
            dice.pick(&["An", "Bo"])
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
        r#","code":{{"coding":[{{{system}"code":"{}"}}]}}"#,
        dice.pick(&["718-7", "2823-3", "x"])
    ));
    text.push_str(&format!(r#","subject":{{"reference":"Patient/p{}"}}"#, dice.roll(patients)));
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

/// A resource as the brute force sees it. Its place in the store is the order in which it was first written.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) kind: ResourceType,
    pub(super) id: String,
    pub(super) place: i64,
    pub(super) rows: Vec<IndexRow>,
}

impl Known {
    fn values(&self, param: ParamId) -> impl Iterator<Item = &IndexValue> {
        self.rows.iter().filter(move |row| row.param == param).map(|row| &row.value)
    }
}

fn spans(prefix: Prefix, (low, high): (i64, i64), target: (i64, i64)) -> bool {
    let contained = target.0 >= low && target.1 <= high;
    match prefix {
        Prefix::Eq => contained,
        Prefix::Ne => !contained,
        Prefix::Gt => target.1 > high,
        Prefix::Lt => target.0 < low,
        Prefix::Ge => contained || target.1 > high,
        Prefix::Le => contained || target.0 < low,
        Prefix::Sa => target.0 >= high,
        Prefix::Eb => target.1 <= low,
        // Widened by years here: everything asked for below is long past.
        Prefix::Ap => target.0 < high && target.1 > low,
    }
}

fn value_passes(test: &Test, value: &IndexValue) -> bool {
    match (test, value) {
        (Test::Token { system, code }, IndexValue::Token { system: s, code: c }) => {
            system.as_ref().is_none_or(|system| system == s) && code.as_ref().is_none_or(|code| code == c)
        }
        (Test::String(how, text), IndexValue::String { normal, exact }) => match how {
            StringTest::Starts => normal.starts_with(text.as_str()),
            StringTest::Contains => normal.contains(text.as_str()),
            StringTest::Exact => exact == text,
        },
        (Test::Reference { kind, id }, IndexValue::Reference { kind: k, id: i }) => {
            id == i && (kind.is_none() || kind == k)
        }
        (Test::Date { prefix, low, high }, IndexValue::Date { low: l, high: h }) => {
            spans(*prefix, (*low, *high), (*l, *h))
        }
        (Test::Number { prefix, low, high, of }, value) => {
            let target = match (of, value) {
                (Counted::Anything, IndexValue::Number { low, high }) => (*low, *high),
                (Counted::Unit(asked), IndexValue::Measure { unit: name, low, high })
                | (Counted::Named(asked), IndexValue::Named { name, low, high })
                    if asked == name =>
                {
                    (*low, *high)
                }
                _ => return false,
            };
            spans(*prefix, (*low, *high), target)
        }
        (Test::Below(uri), IndexValue::Token { code, .. }) => {
            code.strip_prefix(uri.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        (Test::Holds(text), IndexValue::Token { code, .. }) => code.contains(text.as_str()),
        _ => false,
    }
}

/// All that is known, by name.
pub(super) type All = BTreeMap<String, Known>;

/// Whether all components of a composite pass in one element: among the groups where there are some, else anywhere.
fn together(known: &Known, param: ParamId, tests: &[(ParamId, Test)]) -> bool {
    let mut groups = known.values(param).peekable();
    if groups.peek().is_none() {
        return tests.iter().all(|(of, test)| known.values(*of).any(|value| value_passes(test, value)));
    }
    groups.any(|group| {
        let IndexValue::Group(group) = group else { return false };
        let mut each = tests.iter().zip(group);
        each.all(|((_, test), values)| values.iter().any(|value| value_passes(test, value)))
    })
}

fn points_at(from: &Known, by: ParamId, to: &Known) -> bool {
    from.values(by).any(|value| {
        matches!(value, IndexValue::Reference { kind, id } if *kind == Some(to.kind) && id.as_str() == to.id)
    })
}

fn passes(all: &All, known: &Known, filter: &Filter) -> bool {
    let any = filter.any.iter().any(|test| match (&filter.on, test) {
        (FilterOn::Param(param), Test::Together(tests)) => together(known, *param, tests),
        (FilterOn::Param(param), Test::Through(kind, inner)) => {
            all.values().any(|to| to.kind == *kind && points_at(known, *param, to) && passes(all, to, inner))
        }
        (FilterOn::Pointed, Test::From(kind, by, inner)) => all
            .values()
            .any(|from| from.kind == *kind && points_at(from, *by, known) && passes(all, from, inner)),
        (FilterOn::Id, Test::Id(id)) => known.id == id.as_str(),
        (FilterOn::Param(param), Test::Missing(missing)) => known.values(*param).next().is_none() == *missing,
        (FilterOn::Param(param), test) => known.values(*param).any(|value| value_passes(test, value)),
        _ => false,
    });
    any != filter.not
}

fn sort_value(known: &Known, on: &FilterOn, descending: bool) -> Option<(i64, String)> {
    let FilterOn::Param(param) = on else {
        return Some(if *on == FilterOn::Id { (0, known.id.clone()) } else { (known.place, String::new()) });
    };
    let mut values: Vec<(i64, String)> = known
        .values(*param)
        .map(|value| match value {
            IndexValue::Token { code, .. } => (0, code.to_string()),
            IndexValue::String { normal, .. } => (0, normal.to_string()),
            IndexValue::Reference { id, .. } => (0, id.to_string()),
            IndexValue::Date { low, .. } | IndexValue::Number { low, .. } => (*low, String::new()),
            IndexValue::Measure { .. } | IndexValue::Named { .. } | IndexValue::Group(_) => {
                (i64::MIN, "unsorted".to_owned())
            }
        })
        .filter(|(_, text)| text != "unsorted")
        .collect();
    values.sort();
    if descending { values.pop() } else { values.into_iter().next() }
}

pub(super) fn expected(all: &All, search: &Search) -> Vec<String> {
    let mut found: Vec<&Known> = all
        .values()
        .filter(|known| {
            known.kind == search.kind && search.filters.iter().all(|filter| passes(all, known, filter))
        })
        .collect();
    let first_descends = search.sort.first().is_none_or(|sort| sort.descending);
    found.sort_by(|a, b| {
        for sort in &search.sort {
            let order =
                match (sort_value(a, &sort.on, sort.descending), sort_value(b, &sort.on, sort.descending)) {
                    (Some(a), Some(b)) if sort.descending => b.cmp(&a),
                    (Some(a), Some(b)) => a.cmp(&b),
                    (a, b) => b.is_some().cmp(&a.is_some()),
                };
            if order != Ordering::Equal {
                return order;
            }
        }
        if first_descends { b.place.cmp(&a.place) } else { a.place.cmp(&b.place) }
    });
    found.into_iter().map(|known| known.name.clone()).collect()
}

pub async fn write(resources: &dyn Resources, changes: Vec<Change>) {
    let commit = Commit { changes, ..Commit::default() };
    resources.commit(Cause::Timer { name: "test" }, commit).await.unwrap();
}

pub(super) async fn all_pages(resources: &dyn Resources, mut search: Search) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = resources.search(&search).await.unwrap();
        assert!(page.matches.len() <= search.count as usize);
        found.extend(page.matches.iter().map(|stored| stored.reference.to_string()));
        match page.next {
            Some(next) => search.after = Some(next),
            None => return found,
        }
    }
}

fn search(kind: &str, query: &str) -> Search {
    let pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse(ResourceType::from_name(kind).unwrap(), &pairs).unwrap_or_else(|error| panic!("{query}: {error}"))
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
        ("Observation", "_source=http://lab/a"),
        ("Observation", "_source:below=http://lab"),
        ("Observation", "_source:below=http://lab/a/"),
        ("Observation", "_source:above=http://lab/a/b"),
        ("Observation", "_source:contains=lab/&_sort=_source"),
        ("Observation", "_source:missing=false&_source=urn:oid:1.2"),
    ];
    for (kind, query) in queries {
        let mut search = search(kind, query);
        search.total = true;
        let expected = expected(&known, &search);
        // A dozen pages or so of what is found, and all of it at once.
        let few = if expected.len() > 100 { 61 } else { 7 };
        for count in [1_000, few] {
            search.count = count;
            let total = resources.search(&search).await.unwrap().total;
            assert_eq!(total, Some(expected.len() as u64), "{kind}?{query}");
            let mut found = all_pages(resources, search.clone()).await;
            let mut expected = expected.clone();
            if search.sort.is_empty() {
                // By the time of the last write, which the brute force does not know.
                found.sort();
                expected.sort();
            }
            assert_eq!(found, expected, "{kind}?{query} by {count}");
        }
    }
    let counted = resources.search(&search("Patient", "_summary=count")).await.unwrap();
    assert_eq!((counted.total, counted.matches.len()), (Some(PATIENTS as u64), 0));
    includes(resources).await;
}

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
