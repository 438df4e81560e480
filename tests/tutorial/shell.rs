//! The reader's shell: one bash in an empty folder, which ends with everything it started.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No block of the page takes so long, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const MARK: &str = "=-=-= the block has ended: ";

/// A shell that takes one block after the other.
pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    blocks: tempfile::TempDir,
}

/// What came of a block.
pub struct Answer {
    /// All that was printed, without blank lines at its end.
    pub lines: Vec<String>,
    /// Whether a command failed.
    pub failed: bool,
}

impl Shell {
    /// A shell in this folder, with the program of this build first on its path and no setting of whoever runs the tests.
    pub fn start(folder: &Path, variables: &[(String, String)]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_huitong")).parent().unwrap();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).current_dir(folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HUITONG_")) {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
        command.env("LC_ALL", "C.UTF-8").envs(variables.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("bash is there");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut shell = Self { child, stdin, lines, blocks: tempfile::TempDir::new().unwrap() };
        writeln!(shell.stdin, "exec 2>&1; trap 'FAILED=yes' ERR").unwrap();
        shell
    }

    /// Runs a block to its end, in the shell itself: its folder, variables and jobs stay for the next one.
    pub fn run(&mut self, typed: &str) -> Answer {
        let block = self.blocks.path().join("block.sh");
        std::fs::write(&block, typed).unwrap();
        let mark = format!("echo; echo '{MARK}'$FAILED");
        writeln!(self.stdin, "FAILED=no; . {} < /dev/null; {mark}", block.display()).unwrap();
        let until = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!(
                    "the block did not end in {PATIENCE:?}, or ended the shell:\n{typed}\n\n{}",
                    lines.join("\n")
                );
            };
            if let Some(failed) = line.strip_prefix(MARK) {
                while lines.last().is_some_and(|line: &String| line.trim().is_empty()) {
                    lines.pop();
                }
                return Answer { lines, failed: failed == "yes" };
            }
            lines.push(line);
        }
    }
}

impl Drop for Shell {
    /// The shell leads a group of its own, in which the hub is too.
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
