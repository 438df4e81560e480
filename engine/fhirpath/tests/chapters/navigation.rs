//! Chapter 5.8: tree navigation.

use super::{observation, patient};

#[test]
fn children_and_descendants() {
    patient(&[
        ("name.first().children()", "'official', 'Chalmers', 'Peter', 'James'"),
        ("birthDate.children().count()", "2"),
        ("contact.children()", "<HumanName>"),
        ("{}.children()", "{}"),
        ("1.children()", "{}"),
        ("contact.descendants()", "<HumanName>, <string>, <Extension>, 'urn:prefix', 'du'"),
        ("contained.descendants()", "'o1', 'Ward 7'"),
        ("children().ofType(HumanName).count()", "2"),
    ]);
    observation(&[
        ("descendants().ofType(Quantity).value", "185.50, 3"),
        // Equal descendants are all there, unlike what `repeat` would give.
        ("descendants().ofType(uri).where($this = 'http://unitsofmeasure.org').count()", "2"),
    ]);
}
