//! Pages in the order of what is searched for: the index of the sort key is walked, and entered where its values allow.

use hub_core::commit::Change;
use hub_core::store::Resources;
use hub_fhir::{Prepared, Resource};

use super::brute_force::{All, Known, expected};
use super::resource;
use super::search::{all_pages, search, write};

/// Dates of one resource and the next, as pairs of a start and an end: a day, a moment, a year, two that lie far apart.
const TIMES: [&[(&str, &str)]; 8] = [
    &[("2024-05-01", "2024-05-01")],
    &[("2024-05-02T08:00:00Z", "2024-05-02T09:00:00Z")],
    &[("2020-01-01", "2020-01-02"), ("2026-03-01", "2026-03-02")],
    &[("2026-03-01", "2026-03-02"), ("2020-01-01", "2020-01-02")],
    &[("2019-01-01", "2027-12-31")],
    &[("2026-01-01", "2026-01-01"), ("2026-01-05", "2026-01-05"), ("2018-01-01", "2018-12-31")],
    &[("2025-06-01", "2025-06-03")],
    &[],
];

fn resources() -> Vec<Resource> {
    let many = TIMES.iter().enumerate().map(|(nth, times)| {
        let events: Vec<String> = times
            .iter()
            .map(|(start, end)| format!(r#"{{"period":{{"start":"{start}","end":"{end}"}}}}"#))
            .collect();
        resource(&format!(
            r#"{{"resourceType":"Composition","id":"c{nth}","status":"final","event":[{}]}}"#,
            events.join(",")
        ))
    });
    let one = TIMES.iter().enumerate().map(|(nth, times)| {
        let period = times.first().map_or(String::new(), |(start, end)| {
            format!(r#","period":{{"start":"{start}","end":"{end}"}}"#)
        });
        resource(&format!(r#"{{"resourceType":"Encounter","id":"e{nth}","status":"finished"{period}}}"#))
    });
    many.chain(one).collect()
}

/// What is asked for in the order of the same dates is found whole, whether a resource has one of them or several.
pub async fn what_is_sorted_by_what_it_is_searched_for_is_found_whole(resources_of: &dyn Resources) {
    let mut known = All::new();
    for (place, resource) in (1..).zip(resources()) {
        let (name, kind, id) = (resource.reference().to_string(), resource.kind(), resource.id().to_string());
        let rows = Prepared::of(&resource).rows;
        known.insert(name.clone(), Known { name, kind, id, place, rows });
        write(resources_of, vec![Change::Put(resource)]).await;
    }
    for (kind, code) in [("Composition", "period"), ("Encounter", "date")] {
        for asked in [
            "ge2025",
            "gt2024-05-01",
            "le2024-05",
            "lt2020-06",
            "eq2024-05-01",
            "ne2026-03",
            "sa2024",
            "eb2026",
            "ap2020",
        ] {
            for order in [code.to_owned(), format!("-{code}")] {
                for more in ["", "&status:not=amended", &format!("&{code}=lt2027")] {
                    for count in [1, 3, 50] {
                        let query = format!("{code}={asked}{more}&_sort={order}&_count={count}");
                        let search = search(kind, &query);
                        let expected = expected(&known, std::slice::from_ref(&search));
                        assert_eq!(all_pages(resources_of, vec![search]).await, expected, "{kind}?{query}");
                    }
                }
            }
        }
        let search = search(kind, &format!("{code}:missing=true&_sort={code}"));
        assert_eq!(all_pages(resources_of, vec![search]).await.len(), 1);
    }
}
