//! Searches in texts against a reading of the texts themselves, which knows nothing of words or pairs.

use hub_core::commit::Change;
use hub_core::store::{Resources, StoreError};
use hub_fhir::Resource;

use super::search::{all_pages, search, write};
use super::{reference, resource};

/// Pieces that reports are made of.
const PIECES: [&str; 9] = [
    "Chest pain",
    "pain in the chest",
    "no metastases",
    "Bone metastases",
    "liver",
    "高血压病",
    "血压升高",
    "患者血压高",
    "高 血 压",
];

fn report(n: usize) -> (String, String, Resource) {
    let piece = |step: usize| PIECES[(n / step) % PIECES.len()];
    let (narrative, conclusion) = (format!("{} {}", piece(1), piece(9)), piece(81).to_owned());
    let text = format!(
        r#"{{"resourceType":"DiagnosticReport","id":"r{n}","status":"final","code":{{"text":"x{}"}},"conclusion":"{conclusion}",
           "text":{{"status":"additional","div":"<div><p>{narrative}</p></div>"}}}}"#,
        n % 2
    );
    (narrative.to_lowercase(), conclusion.to_lowercase(), resource(&text))
}

/// Whether a part has the words one after the other: Latin ones whole, Chinese ones anywhere in a run.
fn has(part: &str, phrase: &str) -> bool {
    let part = format!(" {part} ");
    if phrase.is_ascii() { part.contains(&format!(" {phrase} ")) } else { part.contains(phrase) }
}

type Expected = fn(&str) -> bool;

/// Words, phrases, what must not be there and Chinese are found, in order and in pages; what was written or deleted counts at once.
pub async fn texts_are_found_by_what_stands_in_them(resources: &dyn Resources) {
    const COUNT: usize = 300;
    let reports: Vec<_> = (0..COUNT).map(report).collect();
    for some in reports.chunks(50) {
        write(resources, some.iter().map(|(_, _, report)| Change::Put(report.clone())).collect()).await;
    }
    let asked: [(&str, Expected); 12] = [
        ("chest", |part| has(part, "chest")),
        ("\"chest pain\"", |part| has(part, "chest pain")),
        ("\"pain chest\"", |part| has(part, "pain chest")),
        ("che", |_| false),
        ("PAIN -liver", |part| has(part, "pain") && !has(part, "liver")),
        ("(bone OR liver) and metastases", |part| {
            (has(part, "bone") || has(part, "liver")) && has(part, "metastases")
        }),
        ("高血压", |part| has(part, "高血压")),
        ("血压", |part| has(part, "血压")),
        ("血", |part| has(part, "血")),
        ("病", |part| has(part, "病")),
        ("\"高 血\"", |part| has(part, "高 血")),
        ("血壓 pain", |part| has(part, "血压") && has(part, "pain")),
    ];
    for (query, is_there) in asked {
        for name in ["_text", "_content"] {
            let mut expected: Vec<String> = reports
                .iter()
                .filter(|(narrative, conclusion, _)| match name {
                    "_text" => is_there(narrative),
                    // No phrase goes over the end of a text.
                    _ => is_there(&format!("{narrative} / {conclusion}")),
                })
                .map(|(_, _, report)| report.reference().to_string())
                .collect();
            expected.sort();
            for (more, count) in [("", 1_000), ("&_sort=_id", 17), ("&status=final&_sort=-_lastUpdated", 61)]
            {
                let mut search = search("DiagnosticReport", &format!("{name}={query}{more}"));
                (search.count, search.total) = (count, true);
                let total = resources.search(&search).await.unwrap().total;
                assert_eq!(total, Some(expected.len() as u64), "{name}={query}{more}");
                let mut found = all_pages(resources, vec![search]).await;
                if more == "&_sort=_id" {
                    assert!(found.is_sorted(), "{name}={query}");
                }
                found.sort();
                assert_eq!(found, expected, "{name}={query}{more} by {count}");
            }
        }
    }
    changes_count_at_once(resources).await;
    let refused = resources.search(&search("Patient", "_content=x")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { .. }), "{refused}");
}

async fn changes_count_at_once(resources: &dyn Resources) {
    let count = async |query: &str| {
        let page = resources.search(&search("DiagnosticReport", query)).await.unwrap();
        page.matches.len()
    };
    let report = |conclusion: &str| {
        let text = format!(
            r#"{{"resourceType":"DiagnosticReport","id":"new","status":"final","code":{{}},"conclusion":"{conclusion}"}}"#
        );
        vec![Change::Put(resource(&text))]
    };
    write(resources, report("aneurysm")).await;
    assert_eq!((count("_content=aneurysm").await, count("_text=aneurysm").await), (1, 0));
    assert_eq!(count("_content=aneurysm&_id=new,r1").await, 1);
    write(resources, report("动脉瘤")).await;
    assert_eq!((count("_content=aneurysm").await, count("_content=脉瘤").await), (0, 1));
    write(resources, vec![Change::Delete(reference("DiagnosticReport/new"))]).await;
    assert_eq!(count("_content=动脉瘤").await, 0);
    write(resources, report("aneurysm again")).await;
    assert_eq!((count("_content=aneurysm").await, count("_content=动脉瘤").await), (1, 0));
}
