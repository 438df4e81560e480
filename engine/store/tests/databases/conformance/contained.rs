//! What resources contain is found, as it is now.

use hub_core::commit::Change;
use hub_core::store::Resources;
use hub_fhir::contained::spread;

use super::resource;
use super::search::{all_pages, search, write};

/// The contained resources of two writes, the second of which changes and takes away.
pub async fn what_resources_contain_is_found(resources: &dyn Resources) {
    let order = |id: &str, contained: &[(&str, &str)]| {
        let contained: Vec<String> = contained
            .iter()
            .map(|(id, name)| format!(r#"{{"resourceType":"Organization","id":"{id}","name":"{name}"}}"#))
            .collect();
        let contained = match contained.is_empty() {
            true => String::new(),
            false => format!(r#","contained":[{}]"#, contained.join(",")),
        };
        Change::Put(resource(&format!(r#"{{"resourceType":"Device","id":"{id}"{contained}}}"#)))
    };
    let named = async |name: &str| {
        let searches =
            spread(search("Organization", &format!("_contained=true&name={name}&_sort=_id&_count=1")));
        all_pages(resources, searches.unwrap()).await
    };
    write(
        resources,
        vec![order("d1", &[("a", "Siemens"), ("b", "Philips")]), order("d2", &[("a", "Philips")])],
    )
    .await;
    assert_eq!(named("philips").await, ["Device/d1", "Device/d2"]);
    write(
        resources,
        vec![order("d1", &[("a", "Philips AG"), ("c", "Siemens"), ("d", "Mindray")]), order("d2", &[])],
    )
    .await;
    assert_eq!(named("philips").await, ["Device/d1"]);
    assert_eq!(named("mindray").await, ["Device/d1"]);
    write(resources, vec![order("d1", &[("a", "Siemens")])]).await;
    assert_eq!(named("mindray").await, Vec::<String>::new());
    assert_eq!(named("siemens").await, ["Device/d1"]);
}
