//! A PostgreSQL server of the tests' own, in a temporary folder, and databases in it.
//!
//! It runs beside the test's process, never as root, and ends with it however that ends: its keeper, a shell, waits for the end
//! of its standard input.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

/// Keeps a server: makes its cluster, runs it until its standard input ends, starts it again when told to, and tidies up.
const KEEPER: &str = r#"
set -eu
folder=$1 bin=$2 port=$3 as=$4
mkdir -p "$folder"
[ -z "$as" ] || chown "$as" "$folder"
run() { if [ -n "$as" ]; then exec setpriv --reuid="$as" --regid="$as" --clear-groups "$@"; else exec "$@"; fi; }
cd "$folder"
(run "$bin/initdb" -D "$folder/data" -U hub -A trust -E UTF8 --no-sync --locale=C >"$folder/initdb.log" 2>&1)
launch() {
    run "$bin/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
        -c fsync="$5" -c max_connections=200 -c shared_buffers=128MB -c max_wal_size=1GB -c logging_collector=off \
        >>"$folder/server.log" 2>&1 </dev/null &
    server=$!
}
start() {
    launch "$@"
    tries=0
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U hub; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "failed"; exit 1; }
        # One that was killed may still hold its memory for a moment.
        kill -0 "$server" 2>/dev/null || launch "$@"
        sleep 0.05
    done
    echo "ready"
}
start "$@"
while read -r word; do
    case "$word" in
        # It is stopped first, so that it makes no more children.
        kill) kill -STOP "$server" 2>/dev/null || true; pkill -9 -P "$server" 2>/dev/null || true
              kill -9 "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true
              rm -f "$folder/data/postmaster.pid"; echo "killed" ;;
        start) start "$@" ;;
    esac
done
kill -QUIT "$server" 2>/dev/null || true
(sleep 10; kill -9 "$server" 2>/dev/null) >/dev/null 2>&1 </dev/null &
wait "$server" 2>/dev/null || true
rm -rf "$folder"
"#;

/// A server that runs.
pub struct Server {
    keeper: Mutex<Keeper>,
    port: u16,
    databases: AtomicU32,
}

struct Keeper {
    child: Child,
    told: BufReader<std::process::ChildStdout>,
}

/// The server all tests of this process share. It does not sync: the tests end processes, not the machine.
pub fn shared() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(false));
    &SERVER
}

impl Server {
    /// Starts a server of one's own; `syncs`: whether it is durable against a power cut.
    pub fn start(syncs: bool) -> Self {
        let bin = binaries().expect("PostgreSQL's server is there: `make setup` installs it");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let folder = std::env::temp_dir().join(format!("huitong-postgres-{}-{port}", std::process::id()));
        let mut child = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args([&folder, &bin])
            .args([port.to_string(), other_user().to_owned(), if syncs { "on" } else { "off" }.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What the test prints is waited for by whoever runs it, not what its server prints.
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let told = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut keeper = Keeper { child, told };
        assert_eq!(keeper.hear(), "ready", "the server starts; {}/server.log tells", folder.display());
        Self { keeper: Mutex::new(keeper), port, databases: AtomicU32::new(0) }
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{number}");
        let made = Command::new(binaries().expect("it is there").join("psql"))
            .args([
                "-q",
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "hub",
                "-d",
                "postgres",
                "-c",
            ])
            .arg(format!("CREATE DATABASE {name}"))
            .status()
            .expect("psql is there");
        assert!(made.success(), "a database can be made");
        format!("postgres://hub@127.0.0.1:{}/{name}", self.port)
    }

    /// Kills every process of the server, as a power cut would.
    pub fn kill(&self) {
        self.tell("kill", "killed");
    }

    /// Starts it again after [`Server::kill`].
    pub fn start_again(&self) {
        self.tell("start", "ready");
    }

    fn tell(&self, word: &str, answer: &str) {
        let mut keeper = self.keeper.lock().expect("no test fails while it tells");
        let stdin = keeper.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{word}").expect("the keeper lives");
        assert_eq!(keeper.hear(), answer);
    }
}

impl Keeper {
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("the keeper tells");
        line.trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(keeper) = self.keeper.get_mut() {
            drop(keeper.child.stdin.take());
            keeper.child.wait().ok();
        }
    }
}

/// The newest of PostgreSQL's binaries.
fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
}

/// Whom the server runs as, where that must be somebody else: it refuses to be root.
fn other_user() -> &'static str {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
    let has_postgres = || {
        Path::new("/etc/passwd").exists()
            && std::fs::read_to_string("/etc/passwd")
                .is_ok_and(|users| users.lines().any(|user| user.starts_with("postgres:")))
    };
    match is_root {
        false => "",
        true if has_postgres() => "postgres",
        true => "nobody",
    }
}
