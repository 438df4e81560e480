//! Search parameters of the server's own: of every kind, against a brute force over the rows that their definitions give.

use hub_core::commit::Change;
use hub_core::store::{Indexing, Resources, StoreError, Upkeep};
use hub_fhir::search::{Search, SearchError, parse_by};
use hub_fhir::{Prepared, Resource, ResourceType};

use super::brute_force::{All, Known, expected};
use super::resource;
use super::search::{all_pages, write};

/// A SearchParameter resource.
pub fn definition(base: &str, code: &str, kind: &str, expression: &str, status: &str) -> Resource {
    let target = if kind == "reference" { r#","target":["Patient"]"# } else { "" };
    resource(&format!(
        r#"{{"resourceType":"SearchParameter","id":"own-{code}","url":"urn:own:{code}","name":"{code}","status":"{status}",
            "description":"x","code":"{code}","base":["{base}"],"type":"{kind}","expression":"{expression}"{target}}}"#
    ))
}

fn composite() -> Resource {
    resource(
        r#"{"resourceType":"SearchParameter","id":"own-part","url":"urn:own:part","name":"part","status":"active",
            "description":"x","code":"part","base":["Observation"],"type":"composite","expression":"Observation.component",
            "component":[{"definition":"urn:own:part-code","expression":"code"},{"definition":"urn:own:part-value","expression":"value"}]}"#,
    )
}

fn of_extension(base: &str, url: &str) -> String {
    format!("{base}.extension.where(url='urn:{url}').value")
}

fn definitions() -> Vec<Resource> {
    let active = |base, code, kind, expression: &str| definition(base, code, kind, expression, "active");
    vec![
        active("Patient", "nickname", "string", &of_extension("Patient", "nick")),
        active("Patient", "group", "token", &of_extension("Patient", "group")),
        active("Patient", "joined", "date", &of_extension("Patient", "joined")),
        active("Observation", "about", "reference", &of_extension("Observation", "about")),
        active("Observation", "score", "number", &of_extension("Observation", "score")),
        active("Observation", "dose", "quantity", &of_extension("Observation", "dose")),
        active("Observation", "origin", "uri", &of_extension("Observation", "origin")),
        active("Observation", "part-code", "token", "Observation.component.code"),
        active("Observation", "part-value", "quantity", "Observation.component.value"),
        composite(),
    ]
}

fn patient(n: usize) -> Resource {
    let names = ["Wáng", "wang li", "Smith", "Smithson", ""];
    let nick = names[n % 5];
    let group = ["a", "b", "c"][n % 3];
    let day = n % 27 + 1;
    let nick = if nick.is_empty() {
        String::new()
    } else {
        format!(r#"{{"url":"urn:nick","valueString":"{nick}"}},{{"url":"urn:other","valueString":"x"}},"#)
    };
    resource(&format!(
        r#"{{"resourceType":"Patient","id":"p{n}","extension":[{nick}
            {{"url":"urn:group","valueCoding":{{"system":"urn:groups","code":"{group}"}}}},
            {{"url":"urn:joined","valueDateTime":"2026-03-{day:02}"}}]}}"#
    ))
}

fn observation(n: usize) -> Resource {
    let (about, score, code) = (n % 40, n % 9, ["x", "y"][n % 2]);
    let origin = ["http://lab", "http://lab/a", "urn:oid:1"][n % 3];
    let component = match n % 4 {
        0 => String::new(),
        at => format!(
            r#","component":[{{"code":{{"coding":[{{"code":"{code}"}}]}},"valueQuantity":{{"value":{at}}}}},
                {{"code":{{"coding":[{{"code":"z"}}]}},"valueQuantity":{{"value":9}}}}]"#
        ),
    };
    resource(&format!(
        r#"{{"resourceType":"Observation","id":"o{n}","status":"final","code":{{"text":"t"}},"extension":[
            {{"url":"urn:about","valueReference":{{"reference":"Patient/p{about}"}}}},
            {{"url":"urn:score","valueDecimal":{score}.5}},
            {{"url":"urn:dose","valueQuantity":{{"value":{score},"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}}}},
            {{"url":"urn:origin","valueUri":"{origin}"}}]{component}}}"#
    ))
}

const QUERIES: [(&str, &str); 28] = [
    ("Patient", "nickname=wang"),
    ("Patient", "nickname:exact=Smith"),
    ("Patient", "nickname:contains=mith&_sort=-nickname"),
    ("Patient", "nickname:missing=true"),
    ("Patient", "group=urn:groups|a"),
    ("Patient", "group:not=b&_sort=joined"),
    ("Patient", "joined=ge2026-03-10&joined=lt2026-03-20"),
    ("Patient", "joined=2026-03-05&_sort=group"),
    ("Patient", "_sort=nickname,-joined"),
    ("Patient", "_has:Observation:about:score=gt7"),
    ("Patient", "_has:Observation:about:origin:below=http://lab&group=c"),
    ("Observation", "about=Patient/p7"),
    ("Observation", "about:Patient.group=b"),
    ("Observation", "about.nickname=smithson&score=lt4"),
    ("Observation", "about:missing=false&_sort=-score"),
    ("Observation", "score=4.5"),
    ("Observation", "score=ne4.5"),
    ("Observation", "score=ge2.5&score=le5.5&_sort=score"),
    ("Observation", "dose=3|http://unitsofmeasure.org|mg"),
    ("Observation", "dose=0.003|http://unitsofmeasure.org|g"),
    ("Observation", "dose=gt6||mg"),
    ("Observation", "origin=http://lab"),
    ("Observation", "origin:below=http://lab"),
    ("Observation", "origin:contains=oid&_sort=dose"),
    ("Observation", "part=x$2"),
    ("Observation", "part=y$3"),
    ("Observation", "part=z$gt5&part=x$2"),
    ("Observation", "part-value=3"),
];

/// A search by the parameters in force.
pub fn search(resources: &dyn Resources, kind: &str, query: &str) -> Result<Search, SearchError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    parse_by(ResourceType::from_name(kind).unwrap(), &pairs, None, &resources.parameters())
}

/// How many are left, where a search is refused for that.
pub async fn refused(resources: &dyn Resources, search: &Search) -> Option<u64> {
    match resources.search(search).await {
        Err(StoreError::Unavailable(why)) => Some(why.downcast_ref::<Indexing>()?.left),
        _ => None,
    }
}

/// Indexes all there is; says how many were gone over.
pub async fn index_all(upkeep: &dyn Upkeep, slice: u32) -> u64 {
    let mut done = 0;
    loop {
        match upkeep.index_anew(slice).await.unwrap() {
            0 => return done,
            some => done += some,
        }
    }
}

/// What was there before is found as what comes after, by parameters of every kind, and never some of it.
pub async fn own_parameters_find_what_their_definitions_say(resources: &dyn Resources, upkeep: &dyn Upkeep) {
    let mut written = Vec::new();
    for n in 0..40 {
        written.push(patient(n));
    }
    for n in 0..150 {
        written.push(observation(n));
    }
    for resource in &written {
        write(resources, vec![Change::Put(resource.clone())]).await;
    }
    assert!(search(resources, "Patient", "nickname=wang").is_err(), "it is not known yet");
    write(resources, definitions().into_iter().map(Change::Put).collect()).await;
    for (kind, query) in QUERIES {
        let search = search(resources, kind, query).unwrap();
        let left = refused(resources, &search).await;
        assert!(left.is_some_and(|left| left >= 40), "{query}: {left:?}");
    }
    assert_eq!(resources.unindexed().await.unwrap(), 190);
    assert_eq!(upkeep.index_anew(30).await.unwrap(), 30);
    // Meanwhile some change, some come and some go, on both sides of where the walk is.
    for n in 150..180 {
        written.push(observation(n));
    }
    let mut changed = Vec::new();
    for n in [1, 25, 99] {
        let (id, text) = (hub_fhir::Id::new(&format!("o{n}")).unwrap(), observation(n + 1).into_tree());
        let at = written.iter().position(|resource| resource.id() == &id).unwrap();
        written[at] = Resource::new(written[at].kind(), id, text);
        changed.push(written[at].clone());
    }
    for resource in written[190..].iter().chain(&changed) {
        write(resources, vec![Change::Put(resource.clone())]).await;
    }
    let gone = ["Patient/p3", "Observation/o9"].map(super::reference);
    write(resources, gone.iter().cloned().map(Change::Delete).collect()).await;
    index_all(upkeep, 30).await;
    assert_eq!(resources.unindexed().await.unwrap(), 0);
    let parameters = resources.parameters();
    let known = |(place, resource): (usize, &Resource)| {
        let name = resource.reference().to_string();
        let rows = Prepared::by(resource, &parameters).rows;
        let (kind, id) = (resource.kind(), resource.id().to_string());
        (name.clone(), Known { name, kind, id, place: place as i64, rows })
    };
    let left = written.iter().enumerate().filter(|(_, resource)| !gone.contains(&resource.reference()));
    let all: All = left.map(known).collect();
    for (kind, query) in QUERIES {
        let search = search(resources, kind, query).unwrap();
        let mut wanted = expected(&all, std::slice::from_ref(&search));
        assert!(!wanted.is_empty(), "{query} finds nothing");
        let mut found = all_pages(resources, vec![Search { count: 7, ..search.clone() }]).await;
        if search.sort.is_empty() {
            // The newest come first, which the brute force does not know.
            wanted.sort();
            found.sort();
        }
        assert_eq!(found, wanted, "{query}");
    }
    let about = search(resources, "Observation", "about=Patient/p7&_include=Observation:about").unwrap();
    let page = resources.search(&about).await.unwrap();
    assert_eq!(page.included.len(), 1);
    let back = search(resources, "Patient", "group=a&_revinclude=Observation:about").unwrap();
    assert!(!resources.search(&back).await.unwrap().included.is_empty());
}

/// One that is retired is unknown at once; when it comes back and says something else, that is what is found.
pub async fn a_parameter_goes_and_comes_back_as_another(resources: &dyn Resources, upkeep: &dyn Upkeep) {
    let text = |n: usize| {
        format!(r#"{{"resourceType":"Location","id":"l{n}","name":"name {n}","alias":["other {n}"]}}"#)
    };
    let all = (0..20).map(|n| Change::Put(resource(&text(n)))).collect();
    write(resources, all).await;
    let put = |expression, status| {
        vec![Change::Put(definition("Location", "called", "string", expression, status))]
    };
    write(resources, put("Location.name", "active")).await;
    index_all(upkeep, 8).await;
    let by_name = search(resources, "Location", "called=name").unwrap();
    assert_eq!(all_pages(resources, vec![by_name.clone()]).await.len(), 20);
    write(resources, put("Location.name", "retired")).await;
    assert!(search(resources, "Location", "called=name").is_err());
    assert!(matches!(resources.search(&by_name).await, Err(StoreError::Invalid { .. })));
    index_all(upkeep, 8).await;
    write(resources, put("Location.alias", "active")).await;
    let by_alias = search(resources, "Location", "called=other").unwrap();
    assert_eq!(refused(resources, &by_alias).await, Some(20));
    index_all(upkeep, 8).await;
    assert_eq!(all_pages(resources, vec![by_alias]).await.len(), 20);
    assert!(
        all_pages(resources, vec![search(resources, "Location", "called=name").unwrap()]).await.is_empty()
    );
    write(resources, vec![Change::Delete(super::reference("SearchParameter/own-called"))]).await;
    assert!(search(resources, "Location", "called=other").is_err());
    index_all(upkeep, 8).await;
    // Two that say the same, as channels may write them: it is in force once, and goes with the last of them.
    let one = definition("Location", "called", "string", "Location.name", "active");
    let id = hub_fhir::Id::new("own-twin").unwrap();
    let twin = Resource::new(one.kind(), id, one.clone().into_tree());
    write(resources, vec![Change::Put(one), Change::Put(twin)]).await;
    write(resources, vec![Change::Delete(super::reference("SearchParameter/own-called"))]).await;
    index_all(upkeep, 8).await;
    let called = search(resources, "Location", "called=name").unwrap();
    assert_eq!(all_pages(resources, vec![called]).await.len(), 20);
    write(resources, vec![Change::Delete(super::reference("SearchParameter/own-twin"))]).await;
    index_all(upkeep, 8).await;
    // A draft, and one that cannot be: neither is in force, and nothing else suffers.
    write(resources, put("Location.name", "draft")).await;
    write(resources, put("Location.nmae", "active")).await;
    assert!(search(resources, "Location", "called=name").is_err());
}
