//! A doctor as the directory has one: a PractitionerRole with whom and where it is about.

use std::sync::Arc;

use compact_str::CompactString;
use hub_fhir::{Id, Json, Object, Reference, ResourceType};

use crate::public::leave_public;
use crate::system;
use crate::texts::Text;
use crate::words::Words;

/// More houses than these are not above a department.
const MOST_ABOVE: usize = 8;

/// A doctor in one role. All resources are as everybody may see them.
pub struct Doctor {
    /// The PractitionerRole.
    pub role: Arc<Object>,
    /// The Practitioner.
    pub practitioner: Arc<Object>,
    /// The department, where it is known.
    pub organization: Option<Arc<Object>>,
    /// The Practitioner's id.
    pub id: Id,
    /// The name.
    pub name: Text,
    /// What the department is called.
    pub department: Option<Text>,
    /// What the title is called.
    pub title: Option<Text>,
    /// What is treated.
    pub specialties: Vec<Text>,
    /// The department and what it is part of, from below.
    pub(crate) houses: Vec<House>,
    pub(crate) rank: Rank,
    pub(crate) is_tagged: bool,
    pub(crate) is_online: bool,
    /// The last day of the role, as far as it is told: `2026-05`.
    pub(crate) last_day: Option<CompactString>,
    pub(crate) words: Words,
}

/// How high a title is; the highest first (DIR-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// 主任医师, 231.
    Chief,
    /// 副主任医师, 232.
    AssociateChief,
    /// All others.
    Other,
}

/// A department, or what it is part of.
pub(crate) struct House {
    id: Id,
    /// Its numbers in the HIS and elsewhere.
    numbers: Vec<CompactString>,
    pub names: Words,
}

impl House {
    /// Whether it is the one that is asked for: by its id, `Organization/{id}`, or its number.
    pub fn is(&self, asked: &str) -> bool {
        let id = asked.strip_prefix("Organization/").unwrap_or(asked);
        self.id.as_str() == id || self.numbers.iter().any(|number| number == asked)
    }
}

/// Finds a resource by its reference.
pub(crate) type Known<'k> = &'k dyn Fn(&Reference) -> Option<Arc<Object>>;

impl Doctor {
    /// The doctor of a role; `None` where the role or the doctor is not active, or where it is not known who it is (DIR-6).
    pub(crate) fn of(role: Object, known: Known<'_>) -> Option<Self> {
        let practitioner = pointed(&role, "practitioner")?;
        let person = known(&practitioner)?;
        if !is_active(&role) || !is_active(&person) {
            return None;
        }
        let names: Vec<Text> = items(&person, "name").filter_map(Json::as_object).filter_map(name).collect();
        let specialties: Vec<Text> = concepts(&role, "specialty").collect();
        let above = houses(&role, known);
        let department = above.first().and_then(|house| Text::read(house, "name"));
        let mut words = Words::default();
        names.iter().flat_map(Text::all).for_each(|name| words.add_name(name));
        specialties.iter().flat_map(Text::all).for_each(|text| words.add(text));
        let houses: Vec<House> = above.iter().filter_map(house).collect();
        above.iter().flat_map(|house| house_names(house)).for_each(|name| words.add(&name));
        let mut role = role;
        let has_code = |code: &str| {
            let codings = items(&role, "code").flat_map(|concept| inner(concept, "coding"));
            codings.into_iter().any(|coding| {
                text(coding, "system") == Some(system::TITLE) && text(coding, "code") == Some(code)
            })
        };
        let rank = match () {
            () if has_code("231") => Rank::Chief,
            () if has_code("232") => Rank::AssociateChief,
            () => Rank::Other,
        };
        let tags = role.get("meta").map(|meta| inner(meta, "tag")).unwrap_or_default();
        let is_tagged = tags.iter().any(|tag| text(tag, "system") == Some(system::TAG));
        let is_online = items(&role, "extension").any(|one| {
            text(one, "url") == Some(system::ONLINE) && one.get("valueBoolean") == Some(&Json::Bool(true))
        });
        let last_day = role.get("period").and_then(|period| text(period, "end"));
        let last_day = last_day.map(|end| end.chars().take("2026-11-27".len()).collect());
        let title = concepts(&role, "code").next();
        let mut person = (*person).clone();
        leave_public(practitioner.kind, &mut person);
        leave_public(ResourceType::from_name("PractitionerRole")?, &mut role);
        Some(Self {
            role: Arc::new(role),
            practitioner: Arc::new(person),
            organization: above.into_iter().next(),
            id: practitioner.id,
            name: names.into_iter().next().unwrap_or_else(|| Text::of("")),
            department,
            title,
            specialties,
            houses,
            rank,
            is_tagged,
            is_online,
            last_day,
            words,
        })
    }
}

/// The department of a role and what it is part of, from below.
fn houses(role: &Object, known: Known<'_>) -> Vec<Arc<Object>> {
    let mut above: Vec<Arc<Object>> = Vec::new();
    let mut next = pointed(role, "organization");
    while let Some(house) = next.as_ref().and_then(known).filter(|_| above.len() < MOST_ABOVE) {
        next = pointed(&house, "partOf");
        above.push(house);
    }
    above
}

fn house(tree: &Arc<Object>) -> Option<House> {
    let mut names = Words::default();
    house_names(tree).iter().for_each(|name| names.add(name));
    let numbers = items(tree, "identifier").filter_map(|number| text(number, "value"));
    let id = Id::new(tree.get("id")?.as_str()?).ok()?;
    Some(House { id, numbers: numbers.map(CompactString::from).collect(), names })
}

fn house_names(tree: &Object) -> Vec<String> {
    let name = Text::read(tree, "name");
    let names = name.iter().flat_map(Text::all).map(str::to_owned);
    names.chain(items(tree, "alias").filter_map(Json::as_str).map(str::to_owned)).collect()
}

/// A HumanName in one piece. Where it is in parts the family name comes first in Chinese, last in Latin letters.
fn name(name: &Object) -> Option<Text> {
    if let Some(text) = Text::read(name, "text") {
        return Some(text);
    }
    let family = name.get("family").and_then(Json::as_str).unwrap_or_default();
    let given: Vec<&str> = items(name, "given").filter_map(Json::as_str).collect();
    let whole = match family.is_ascii() {
        true => format!("{} {family}", given.join(" ")),
        false => format!("{family}{}", given.concat()),
    };
    let whole = whole.trim();
    (!whole.is_empty()).then(|| Text::of(whole))
}

/// What CodeableConcepts are called: their text, else what their codes are.
fn concepts<'t>(tree: &'t Object, element: &'t str) -> impl Iterator<Item = Text> + 't {
    items(tree, element).filter_map(Json::as_object).filter_map(|concept| {
        let coded = || items(concept, "coding").find_map(|coding| Text::read(coding.as_object()?, "display"));
        Text::read(concept, "text").or_else(coded)
    })
}

/// What is not said to be inactive is active.
fn is_active(tree: &Object) -> bool {
    tree.get("active") != Some(&Json::Bool(false))
}

pub(crate) fn pointed(tree: &Object, element: &str) -> Option<Reference> {
    Reference::parse(tree.get(element)?.at(&["reference"])?.as_str()?).ok()
}

fn items<'t>(tree: &'t Object, element: &str) -> impl Iterator<Item = &'t Json> + use<'t> {
    tree.get(element).map(Json::items).unwrap_or_default().iter()
}

fn inner<'t>(element: &'t Json, name: &str) -> &'t [Json] {
    element.get(name).map(Json::items).unwrap_or_default()
}

fn text<'t>(element: &'t Json, name: &str) -> Option<&'t str> {
    element.get(name).and_then(Json::as_str)
}
