//! Interned words: small numbers for channels, destinations, key names, types and search parameters.
//!
//! The numbers are the database's own and never change; those of the program's tables may, from version to version.
//! Only names that come from the configuration or the program are interned, never what a sender chooses.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use compact_str::{CompactString, format_compact};
use hub_fhir::ResourceType;
use hub_fhir::index::{Aspect, ParamId};
use hub_fhir::params::{by_id, params_of, supported};

use crate::database::Kind::Text;
use crate::database::{Connection, DatabaseError, Rows, Shape, all, run, transaction};
use crate::parameters::InForce;

/// What a word names. Its letter keeps the kinds apart in the one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
    Channel,
    Destination,
    KeyName,
    Type,
    Param,
}

impl WordKind {
    fn letter(self) -> char {
        match self {
            WordKind::Channel => 'c',
            WordKind::Destination => 'd',
            WordKind::KeyName => 'k',
            WordKind::Type => 't',
            WordKind::Param => 'p',
        }
    }
}

#[derive(Default)]
struct Known {
    numbers: HashMap<CompactString, i64>,
    texts: HashMap<i64, CompactString>,
}

/// All words known, shared by the writer and the readers.
pub(crate) struct Words {
    known: RwLock<Known>,
    types: HashMap<ResourceType, i64>,
    types_back: HashMap<i64, ResourceType>,
    params: HashMap<ParamId, i64>,
    full_text: HashSet<ResourceType>,
    in_force: RwLock<Arc<InForce>>,
}

const INSERT: Shape = Shape {
    before: "INSERT INTO word (text) VALUES ",
    columns: &[Text],
    after: " ON CONFLICT (text) DO NOTHING",
    locks: "",
};

impl Words {
    /// The words of a database that is only read: a type or parameter that it does not know yet is -1, which no row has.
    /// The texts of these types are searched.
    pub fn read_only(rows: impl IntoIterator<Item = (i64, CompactString)>, full_text: &[i64]) -> Self {
        let mut known = Known::default();
        for (number, text) in rows {
            known.numbers.insert(text.clone(), number);
            known.texts.insert(number, text);
        }
        let number = |text: &CompactString| known.numbers.get(text).copied();
        let types = types().map(|(kind, text)| (kind, number(&text)));
        let types: Vec<(ResourceType, Option<i64>)> = types.collect();
        let params = params().filter_map(|(id, text)| Some((id, number(&text)?))).collect();
        Self {
            types: types.iter().map(|(kind, number)| (*kind, number.unwrap_or(-1))).collect(),
            types_back: types.iter().filter_map(|(kind, number)| Some(((*number)?, *kind))).collect(),
            params,
            full_text: types
                .iter()
                .filter(|(_, number)| number.is_some_and(|number| full_text.contains(&number)))
                .map(|(kind, _)| *kind)
                .collect(),
            known: RwLock::new(known),
            in_force: RwLock::default(),
        }
    }

    /// Reads all words; those of the program's tables are added where they are missing.
    pub fn load(connection: &Connection) -> Result<Self, DatabaseError> {
        let types: Vec<_> = types().collect();
        let params: Vec<_> = params().collect();
        let mut words = Self {
            known: RwLock::default(),
            full_text: HashSet::new(),
            types: HashMap::new(),
            types_back: HashMap::new(),
            params: HashMap::new(),
            in_force: RwLock::default(),
        };
        words.read(connection)?;
        let wanted = types.iter().map(|(_, text)| text).chain(params.iter().map(|(_, text)| text));
        let missing: Vec<CompactString> =
            wanted.filter(|text| words.number_of(text).is_none()).cloned().collect();
        words.add(connection, missing)?;
        for (kind, text) in types {
            let number = words.number_of(&text).ok_or(DatabaseError::Missing("a word"))?;
            words.types.insert(kind, number);
            words.types_back.insert(number, kind);
        }
        for (id, text) in params {
            words.params.insert(id, words.number_of(&text).ok_or(DatabaseError::Missing("a word"))?);
        }
        Ok(words)
    }

    /// Takes the types whose texts are searched. The resources of those that are named anew are put back by a generation, so that they are
    /// indexed; the words of those that are named no more stay where they are until they are named again.
    pub fn with_full_text(
        mut self,
        connection: &Connection,
        types: &HashSet<ResourceType>,
    ) -> Result<Self, DatabaseError> {
        let known = all(connection, "SELECT type FROM full_text_type", &[], |row| row.get::<i64>(0))?;
        let wanted: HashSet<i64> = types.iter().map(|kind| self.kind(*kind)).collect();
        transaction(connection, || {
            for kind in wanted.iter().filter(|kind| !known.contains(kind)) {
                run(
                    connection,
                    "INSERT INTO full_text_type (type) VALUES (?1) ON CONFLICT DO NOTHING",
                    &[(*kind).into()],
                )?;
                let put_back = "UPDATE resource SET indexed = version * 256 + 1
                                WHERE type = ?1 AND indexed > version * 256 + 1";
                run(connection, put_back, &[(*kind).into()])?;
            }
            for kind in known.iter().filter(|kind| !wanted.contains(kind)) {
                run(connection, "DELETE FROM full_text_type WHERE type = ?1", &[(*kind).into()])?;
            }
            Ok(())
        })?;
        self.full_text = types.clone();
        Ok(self)
    }

    /// Whether the texts of a type are searched.
    pub fn has_full_text(&self, kind: ResourceType) -> bool {
        self.full_text.contains(&kind)
    }

    /// The number of a resource type.
    pub fn kind(&self, kind: ResourceType) -> i64 {
        *self.types.get(&kind).expect("every type is interned when the store is opened")
    }

    /// The resource type of a number.
    pub fn kind_back(&self, number: i64) -> Option<ResourceType> {
        self.types_back.get(&number).copied()
    }

    /// The number of a search parameter that resources are indexed by; -1, which no row has, for the others.
    pub fn param(&self, id: ParamId) -> i64 {
        self.params.get(&id).copied().or_else(|| self.own_param(id)).unwrap_or(-1)
    }

    /// The number of one of the server's own.
    fn own_param(&self, id: ParamId) -> Option<i64> {
        let param = by_id(id).filter(|param| param.is_own())?;
        self.number(WordKind::Param, &format_compact!("{}.{}", param.base.name(), param.code))
    }

    /// The search parameters that are in force.
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what is in force, unless something later is already.
    pub fn put_in_force(&self, next: Arc<InForce>) {
        let mut known = self.in_force.write().unwrap_or_else(PoisonError::into_inner);
        if next.generation >= known.generation {
            *known = next;
        }
    }

    /// The number of an aspect of a search parameter: the parameter's own, raised above all words. Nothing need be interned for it, and
    /// the database keeps it as long as the parameter's.
    pub fn aspect(&self, id: ParamId, aspect: Aspect) -> i64 {
        match self.param(id) {
            -1 => -1,
            param => param + raised(aspect),
        }
    }

    /// The number of a name, where it is known.
    pub fn number(&self, kind: WordKind, name: &str) -> Option<i64> {
        self.number_of(&word(kind, name))
    }

    /// The name of a number.
    pub fn name(&self, number: i64) -> Option<CompactString> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.texts.get(&number).map(|text| CompactString::new(&text[1..]))
    }

    /// Takes over what another node has interned.
    pub fn absorb(&self, rows: impl IntoIterator<Item = (i64, String)>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (number, text) in rows {
            known.numbers.insert(text.as_str().into(), number);
            known.texts.insert(number, text.into());
        }
    }

    /// All names of a kind, with their numbers.
    pub fn names(&self, kind: WordKind) -> Vec<(i64, CompactString)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let names = known.numbers.iter().filter_map(|(word, number)| {
            Some((*number, CompactString::new(word.strip_prefix(kind.letter())?)))
        });
        names.collect()
    }

    /// Interns names that are not known yet, in a transaction of their own: what is in memory is then always on disk.
    pub fn intern<'a>(
        &self,
        connection: &Connection,
        names: impl IntoIterator<Item = (WordKind, &'a str)>,
    ) -> Result<(), DatabaseError> {
        let missing: Vec<CompactString> = names
            .into_iter()
            .map(|(kind, name)| word(kind, name))
            .filter(|text| self.number_of(text).is_none())
            .collect();
        self.add(connection, missing)
    }

    fn number_of(&self, text: &str) -> Option<i64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).numbers.get(text).copied()
    }

    fn add(&self, connection: &Connection, missing: Vec<CompactString>) -> Result<(), DatabaseError> {
        if missing.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::new(&INSERT);
        for text in missing {
            rows.push([text.into()]);
        }
        transaction(connection, || rows.write(connection))?;
        self.read(connection)
    }

    fn read(&self, connection: &Connection) -> Result<(), DatabaseError> {
        let rows = all(connection, "SELECT number, text FROM word", &[], |row| {
            Ok((row.get::<i64>(0)?, row.get::<String>(1)?))
        })?;
        self.absorb(rows);
        Ok(())
    }
}

/// What stands in for a parameter where the texts beside codes are looked up: see [`crate::entries::texts`].
pub(crate) const TEXTS: i64 = 255 << 24;

/// Whether a number is that of the texts beside a parameter's codes.
pub(crate) fn is_text(number: i64) -> bool {
    number >> 24 == raised(Aspect::Text) >> 24
}

fn raised(aspect: Aspect) -> i64 {
    let step = match aspect {
        Aspect::Value => 0,
        Aspect::Text => 1,
        Aspect::Identifier => 2,
        Aspect::OfType => 3,
        Aspect::Spelling => 4,
    };
    step << 24
}

/// The types of the program's tables, with their words.
fn types() -> impl Iterator<Item = (ResourceType, CompactString)> {
    ResourceType::all().map(|kind| (kind, word(WordKind::Type, kind.name())))
}

/// The search parameters of the program's tables that resources are indexed by, with their words.
fn params() -> impl Iterator<Item = (ParamId, CompactString)> {
    ResourceType::all().flat_map(params_of).filter(|param| supported(param)).map(|param| {
        let name = format_compact!("{}.{}", param.base.name(), param.code);
        (param.id, word(WordKind::Param, &name))
    })
}

fn word(kind: WordKind, name: &str) -> CompactString {
    format_compact!("{}{name}", kind.letter())
}
