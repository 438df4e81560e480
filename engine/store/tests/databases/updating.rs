//! Databases of every earlier version are brought to this one with what is in them; and what an older program writes is taken by the
//! newest tables, so that nodes of two versions may work side by side while one after the other is updated.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use hub_core::attachment::{AttachmentBook, ContentId};
use hub_core::commit::Change;
use hub_core::deployments::Deployments;
use hub_core::id::DestinationId;
use hub_core::store::{
    Indexing, Journal, MessageQuery, Outbox, Resources, Searches, StateName, StoreError, Upkeep,
};
use hub_fhir::ResourceType;
use hub_fhir::search::parse;
use hub_store::{Store, StoreOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqlSafeStr, SqliteConnection};
use tempfile::TempDir;

use crate::conformance::{deployments, journal, outbox, pieces, reference, resource, resources, search};
use crate::postgres;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

const BOTH: [Database; 2] = [Database::Sqlite, Database::Postgres];

/// A migration, and what a hub of its version left behind that earlier ones could not.
struct Step {
    version: i64,
    name: String,
    sql: String,
    data: Option<String>,
}

impl Database {
    fn folder(self) -> &'static str {
        match self {
            Database::Sqlite => "sqlite",
            Database::Postgres => "postgres",
        }
    }

    /// Its migrations, oldest first, as the folder has them.
    fn steps(self) -> Vec<Step> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("migrations").join(self.folder());
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let step = |file: &PathBuf| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let (number, _) = name.split_once('_').unwrap();
            let data =
                root.join("tests/databases/versions").join(self.folder()).join(format!("{number}.sql"));
            Step {
                version: number.parse().unwrap(),
                sql: std::fs::read_to_string(file).unwrap(),
                data: std::fs::read_to_string(data).ok(),
                name,
            }
        };
        files.iter().map(step).collect()
    }
}

/// The migrations up to a version, as the program of that version ran them.
fn migrator(steps: &[Step]) -> Migrator {
    let migration = |step: &Step| {
        let sql = AssertSqlSafe(step.sql.clone()).into_sql_str();
        let (_, description) = step.name.split_once('_').unwrap();
        Migration::new(step.version, Cow::Owned(description.to_owned()), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

/// A database whose tables are of a version, and what its hub needs to be opened.
struct Old {
    database: Database,
    folder: TempDir,
    url: String,
}

impl Old {
    async fn new(database: Database, steps: &[Step]) -> Self {
        let folder = TempDir::new().unwrap();
        let url = match database {
            Database::Sqlite => String::new(),
            Database::Postgres => postgres::shared().database(),
        };
        let old = Self { database, folder, url };
        match database {
            Database::Sqlite => {
                let mut connection = old.sqlite().await;
                migrator(steps).run(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Database::Postgres => migrator(steps).run(&mut old.postgres().await).await.unwrap(),
        }
        old
    }

    async fn sqlite(&self) -> SqliteConnection {
        let file = self.folder.path().join("hub.db");
        SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(false)
            .connect()
            .await
            .unwrap()
    }

    async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match self.database {
            Database::Sqlite => sqlx::raw_sql(sql).execute(&mut self.sqlite().await).await.map(|_| ()),
            Database::Postgres => sqlx::raw_sql(sql).execute(&mut self.postgres().await).await.map(|_| ()),
        };
        done.unwrap();
    }

    /// Opens it with this program.
    async fn open(&self) -> Store {
        let options = match self.database {
            Database::Sqlite => StoreOptions::new(self.folder.path()),
            Database::Postgres => StoreOptions::postgres(&self.url, self.folder.path()),
        };
        Store::open(options).await.unwrap()
    }

    /// Every column: table, name, whether a row may be written without it.
    async fn columns(&self) -> Vec<(String, String, bool)> {
        match self.database {
            Database::Sqlite => {
                let sql = "SELECT t.name, c.name, c.\"notnull\" = 0 OR c.dflt_value IS NOT NULL OR c.pk > 0
                           FROM pragma_table_list t JOIN pragma_table_info(t.name) c
                           WHERE t.type = 'table' AND t.schema = 'main'";
                sqlx::query_as(sql).fetch_all(&mut self.sqlite().await).await.unwrap()
            }
            Database::Postgres => {
                let sql = "SELECT table_name::text, column_name::text,
                                  is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES'
                           FROM information_schema.columns WHERE table_schema = current_schema()";
                sqlx::query_as(sql).fetch_all(&mut self.postgres().await).await.unwrap()
            }
        }
    }
}

/// What was left behind is there and works. `has_pieces`, `has_deployment`, `has_attachment`: whether the version knew of them.
async fn is_as_it_was_left(store: &Store, has_pieces: bool, has_deployment: bool, has_attachment: bool) {
    let id = |last: u128| {
        hub_core::id::MessageId(uuid::Uuid::from_u128(0x019A_0000_0000_7000_8000_0000_0000_0000 | last))
    };
    let open = store.unfinished(&"old/adt".into(), &|_| false, 10).await.unwrap();
    let expected = if has_pieces { vec![id(0xA2), id(0xA6)] } else { vec![id(0xA2)] };
    assert_eq!(open.iter().map(|open| open.head.id).collect::<Vec<_>>(), expected);
    assert_eq!(open[0].body.0.as_ref(), b"second");
    let counts = if has_pieces { [2, 1, 1, 1, 1] } else { [1, 1, 0, 1, 0] };
    assert_eq!(journal::counts(store, "old/adt").await, counts);
    let by_key = MessageQuery { key: Some((None, "4711".into())), limit: 10, ..MessageQuery::default() };
    let found = store.find(&by_key).await.unwrap();
    assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [id(0xA1)]);
    let first = store.message(id(0xA1)).await.unwrap().unwrap();
    assert_eq!((first.raw.0.as_ref(), first.wrote.len(), first.parcels.len()), (b"first".as_slice(), 1, 3));
    assert_eq!(first.notes[0].place, "PV1-3");
    let aside = MessageQuery { state: Some(StateName::Quarantined), limit: 10, ..MessageQuery::default() };
    assert_eq!(store.find(&aside).await.unwrap()[0].id, id(0xA3));
    if has_pieces {
        assert_eq!(store.family(id(0xA4)).await.unwrap().iter().sum::<u64>(), 2);
    }
    let query = [("identifier".to_owned(), "4711".to_owned())];
    let query = parse(ResourceType::from_name("Location").unwrap(), &query).unwrap();
    let places = store.search(&query).await.unwrap().matches;
    assert_eq!((places.len(), places[0].version), (1, 2));
    assert_eq!(store.history(&reference("Location/old"), None, 10).await.unwrap().len(), 2);
    let to = DestinationId::from("old/adt/lis");
    let leased = store.lease(&to, 10, std::time::Duration::from_secs(60)).await.unwrap();
    let sent: Vec<_> = leased.iter().map(|leased| leased.parcel.body.as_ref()).collect();
    assert_eq!(sent, [b"two".as_slice()], "the first pending one of its key goes");
    let kept = store.kept(ContentId([0xab; 32])).await.unwrap();
    assert_eq!(kept.map(|kept| kept.size), has_attachment.then_some(7));
    assert_eq!(store.given_up(10).await.unwrap().len(), usize::from(has_attachment));
    if has_deployment {
        let deployment = Deployments::read(store, 1).await.unwrap().unwrap();
        assert_eq!((deployment.row.who.as_str(), deployment.row.why.as_str()), ("anna", "ticket 7"));
        assert_eq!(deployment.files.len(), 2);
    }
}

#[expect(clippy::print_stderr, reason = "shown when what follows fails")]
fn tell_which(database: Database, from: &Step) {
    eprintln!("{database:?} from {}", from.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_every_earlier_version_is_brought_to_this_one_and_keeps_every_promise() {
    for database in BOTH {
        let steps = database.steps();
        for at in 1..=steps.len() {
            tell_which(database, &steps[at - 1]);
            let old = Old::new(database, &steps[..at]).await;
            for step in &steps[..at] {
                old.run(step.data.as_deref().unwrap_or_default()).await;
            }
            let store = old.open().await;
            let has = |version: i64| steps[..at].last().is_some_and(|step| step.version >= version);
            let (pieces_from, deployments_from) = match database {
                Database::Sqlite => (2, 3),
                Database::Postgres => (1, 2),
            };
            is_as_it_was_left(&store, has(pieces_from), has(deployments_from), has(20)).await;
            // The rows of each search are the same whichever version they come from; it takes a while.
            if at == 1 {
                search::searches_find_what_the_search_rows_say(&store).await;
            }
            journal::a_second_copy_is_known_and_not_stored(&store).await;
            journal::a_message_comes_back_as_it_was_received(&store).await;
            journal::every_end_is_told_with_its_reason(&store, &store).await;
            journal::a_message_ends_once_until_it_is_opened_again(&store, &store).await;
            pieces::a_message_that_holds_several_is_split_once(&store, &store).await;
            pieces::pieces_are_read_back_in_the_place_of_their_message(&store).await;
            pieces::what_a_sender_was_answered_is_noted(&store).await;
            resources::a_put_makes_a_version_only_when_something_changed(&store).await;
            resources::a_merge_keeps_what_it_does_not_carry(&store).await;
            outbox::one_parcel_of_a_key_is_out_at_a_time_and_in_order(&store, &store).await;
            outbox::an_answer_is_written_with_its_settlement(&store, &store).await;
            if !has(deployments_from) {
                deployments::a_deployment_is_kept_whole_and_its_texts_once(&store).await;
            }
            store.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_writes_is_taken_by_the_newest_tables() {
    for database in BOTH {
        let steps = database.steps();
        let newest = Old::new(database, &steps).await;
        let mut columns = newest.columns().await;
        columns.sort();
        // Where something was taken away, every node runs the version before that one at least.
        let contracted = steps
            .iter()
            .rposition(|step| step.sql.lines().any(|line| line.starts_with("-- contracts ")))
            .unwrap_or(0);
        for at in contracted.max(1)..steps.len() {
            let older = Old::new(database, &steps[..at]).await.columns().await;
            let version = &steps[at - 1].name;
            for (table, name, _) in &older {
                let is_there = columns.iter().any(|(other, column, _)| (other, column) == (table, name));
                assert!(
                    is_there,
                    "{database:?}: `{table}.{name}` of {version} is gone while nodes of it may run"
                );
            }
            for (table, name, may_be_left_out) in &columns {
                let is_new = older.iter().any(|(other, _, _)| other == table)
                    && !older.iter().any(|(other, column, _)| (other, column) == (table, name));
                assert!(
                    !is_new || *may_be_left_out,
                    "{database:?}: `{table}.{name}` is new since {version} and has no default: a node of that version cannot write"
                );
            }
        }
        // The very statements. Whoever takes a column away takes it from those of the versions before.
        for step in &steps {
            newest.run(step.data.as_deref().unwrap_or_default()).await;
        }
        let store = newest.open().await;
        is_as_it_was_left(&store, true, true, true).await;
        store.close().await;
    }
}

/// The words of a migration that take something away or ask for more than before, unless it says which earlier migration made
/// that possible: `-- contracts 0007: nothing has written `old_name` since`.
fn contracts(sql: &str, earlier: &[i64]) -> Vec<String> {
    let allowed = sql.lines().filter_map(|line| line.trim().strip_prefix("-- contracts ")).any(|rest| {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        number.parse().is_ok_and(|number: i64| earlier.contains(&number))
    });
    if allowed {
        return Vec::new();
    }
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join(" ").to_ascii_uppercase();
    let mut made = Vec::new();
    let mut found = Vec::new();
    for statement in code.split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let text = words.join(" ");
        if let Some(rest) = text.strip_prefix("CREATE TABLE ") {
            let name = rest.trim_start_matches("IF NOT EXISTS ");
            made.push(name.split([' ', '(']).next().unwrap_or_default().to_owned());
        }
        let on = text.split(" ON ").nth(1).and_then(|rest| rest.split([' ', '(']).next()).unwrap_or_default();
        let is_contraction = [
            "DROP TABLE",
            "DROP COLUMN",
            "DROP VIEW",
            "DROP SEQUENCE",
            " RENAME ",
            "SET NOT NULL",
            "ADD CONSTRAINT",
        ]
        .iter()
        .any(|words| text.contains(words))
            || (text.starts_with("ALTER TABLE")
                && text.contains(" DROP ")
                && !text.contains("DROP CONSTRAINT")
                && !text.contains("DROP NOT NULL")
                && !text.contains("DROP DEFAULT"))
            || (text.starts_with("ALTER TABLE") && text.contains("ALTER COLUMN") && text.contains(" TYPE "))
            || (text.contains("ADD COLUMN") && text.contains("NOT NULL") && !text.contains(" DEFAULT "))
            || (text.contains("ADD COLUMN")
                && [" UNIQUE", " CHECK", " REFERENCES "].iter().any(|word| text.contains(word)))
            || text.starts_with("DROP TRIGGER")
            || text.starts_with("CREATE TRIGGER")
            || (text.starts_with("CREATE UNIQUE INDEX") && !made.iter().any(|name| name == on));
        if is_contraction {
            found.push(text);
        }
    }
    found
}

#[test]
fn a_migration_expands_and_contracts_only_what_an_earlier_one_has_made_needless() {
    for database in BOTH {
        let mut earlier = Vec::new();
        for step in database.steps() {
            assert!(
                earlier.last().is_none_or(|last| *last < step.version),
                "{database:?}: two migrations have the number {}",
                step.version
            );
            assert_eq!(contracts(&step.sql, &earlier), Vec::<String>::new(), "{database:?}: {}", step.name);
            earlier.push(step.version);
        }
    }
    for refused in [
        "ALTER TABLE message DROP COLUMN sender;",
        "ALTER TABLE message DROP sender;",
        "ALTER TABLE message RENAME COLUMN sender TO from_whom;",
        "drop table wake;",
        "ALTER TABLE message ADD COLUMN novelty BIGINT NOT NULL;",
        "ALTER TABLE message ADD COLUMN novelty BIGINT CHECK (novelty > 0);",
        "ALTER TABLE message ALTER COLUMN sender SET NOT NULL;",
        "ALTER TABLE message ALTER COLUMN size TYPE INTEGER;",
        "ALTER TABLE message ADD CONSTRAINT one UNIQUE (dedupe);",
        "CREATE UNIQUE INDEX one ON message (dedupe);",
        "-- contracts 0009: which is not there\nDROP TABLE wake;",
    ] {
        assert_eq!(contracts(refused, &[1, 2]).len(), 1, "{refused}");
    }
    for taken in [
        "ALTER TABLE message ADD COLUMN novelty BIGINT;",
        "ALTER TABLE message ADD COLUMN novelty BIGINT NOT NULL DEFAULT 0;",
        "CREATE TABLE novelty (a BIGINT NOT NULL UNIQUE); CREATE UNIQUE INDEX one ON novelty (a);",
        "DROP INDEX message_open; CREATE INDEX message_open ON message (channel) WHERE state = 0;",
        "-- DROP TABLE is spoken of only\nALTER TABLE message ALTER COLUMN sender DROP NOT NULL;",
        "-- contracts 0002: nothing has written it since\nDROP TABLE wake;",
    ] {
        assert_eq!(contracts(taken, &[1, 2]), Vec::<String>::new(), "{taken}");
    }
}

/// What a program of before version 30 leaves of a resource: no numbers, and `indexed` as it was.
const WRITTEN_BY_AN_OLDER_ONE: &str = "UPDATE resource SET version = version + 1 WHERE id = 'q1'";
const NOT_INDEXED: &str = "DELETE FROM idx_number; UPDATE resource SET more = NULL, indexed = 0";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_program_has_written_is_indexed_anew_and_searches_wait_for_it() {
    let search = |query: (&str, &str)| {
        let query = [(query.0.to_owned(), query.1.to_owned())];
        parse(ResourceType::from_name("Observation").unwrap(), &query).unwrap()
    };
    let (value, code) = (search(("value-quantity", "gt5")), search(("code", "x")));
    for database in BOTH {
        let old = Old::new(database, &database.steps()).await;
        let store = old.open().await;
        for n in 0..3 {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"q{n}","status":"final","code":{{"coding":[{{"code":"x"}}]}},"valueQuantity":{{"value":{}}}}}"#,
                n + 5
            );
            search::write(&store, vec![Change::Put(resource(&text))]).await;
        }
        old.run(NOT_INDEXED).await;
        let waits = store.search(&value).await.unwrap_err();
        let StoreError::Unavailable(why) = &waits else { panic!("{database:?}: {waits}") };
        assert_eq!(why.downcast_ref(), Some(&Indexing { left: 3 }), "{database:?}");
        assert_eq!(
            store.search(&code).await.unwrap().matches.len(),
            3,
            "{database:?}: codes are found all along"
        );
        assert_eq!(store.unindexed().await.unwrap(), 3);
        // A slice at a time, and the work may stop in between.
        assert_eq!(store.index_anew(2).await.unwrap(), 2);
        assert_eq!(store.unindexed().await.unwrap(), 1);
        // One that is left is written meanwhile, and one that is done by a program of before.
        for n in 0..3 {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"q{n}","status":"amended","code":{{"coding":[{{"code":"x"}}]}},"valueQuantity":{{"value":{}}}}}"#,
                n + 15
            );
            search::write(&store, vec![Change::Put(resource(&text))]).await;
        }
        assert_eq!(store.unindexed().await.unwrap(), 0);
        assert_eq!(store.search(&value).await.unwrap().matches.len(), 3);
        old.run(WRITTEN_BY_AN_OLDER_ONE).await;
        assert_eq!(store.unindexed().await.unwrap(), 1, "{database:?}");
        assert_eq!((store.index_anew(10).await.unwrap(), store.index_anew(10).await.unwrap()), (1, 0));
        let found = store.search(&value).await.unwrap().matches;
        assert_eq!((found.len(), store.unindexed().await.unwrap()), (3, 0), "{database:?}");
        store.close().await;
    }
}

/// What a program of generation 1 leaves of a resource: nothing beside its values, and the texts that it does not know of where they were.
const OF_GENERATION_ONE: &str = "UPDATE resource SET indexed = version * 256 + 1, rows = '{}'";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_generation_has_waits_for_what_it_has_not() {
    let search = |query: (&str, &str)| {
        let query = [(query.0.to_owned(), query.1.to_owned())];
        parse(ResourceType::from_name("Observation").unwrap(), &query).unwrap()
    };
    for database in BOTH {
        let old = Old::new(database, &database.steps()).await;
        let store = old.open().await;
        let text = r#"{"resourceType":"Observation","id":"t1","status":"final","code":{"text":"Haemoglobin"},"subject":{"identifier":{"value":"7"}},"valueQuantity":{"value":5}}"#;
        search::write(&store, vec![Change::Put(resource(text))]).await;
        old.run(OF_GENERATION_ONE).await;
        old.run("DELETE FROM idx_token").await;
        for later in [("code:text", "haemo"), ("subject:identifier", "7")] {
            let waits = store.search(&search(later)).await.unwrap_err();
            assert!(matches!(waits, StoreError::Unavailable(_)), "{database:?} {later:?}: {waits}");
        }
        store.search(&search(("value-quantity", "5"))).await.unwrap();
        assert_eq!(store.index_anew(10).await.unwrap(), 1);
        for later in [("code:text", "haemo"), ("subject:identifier", "7"), ("value-quantity", "5")] {
            let found = store.search(&search(later)).await.unwrap().matches;
            assert_eq!(found.len(), 1, "{database:?} {later:?}");
        }
        store.close().await;
    }
}
