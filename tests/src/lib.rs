//! What whole-system tests share: where the binaries are, and how to wait for a condition.
//!
//! Nobody sees this crate. The tests themselves are in `tests/tests/`, one file per property.

pub mod cluster;
pub mod disk;
pub mod intruder;
pub mod load;
pub mod network;
pub mod node;
pub mod office;
pub mod random;
pub mod simulation;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// Path of a binary of this workspace, built beside the running test.
///
/// # Panics
/// The binary is not there: `make test` builds the binaries first, as does
/// `cargo build --release --bins`.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test has a path");
    // target/release/deps/test-… → target/release/name
    let folder = test.parent().and_then(|deps| deps.parent()).expect("the test lies in deps/");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build --release --bins` first",
        path.display()
    );
    path
}

/// Waits until `condition` gives a value, asking every few milliseconds.
///
/// # Panics
/// The deadline passes; the message says what was waited for.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A started process that is ended when the test ends, however it ends.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("{command:?} does not start: {e}")))
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// The child process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Ends the process with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// The process cannot be waited for.
    pub fn kill(&mut self) -> ExitStatus {
        // An error means that the process has ended already, which is what is wanted.
        let _ = self.0.kill();
        self.0.wait().expect("a child process can be waited for")
    }
}

impl Process {
    /// Asks the process to end, as a service manager does, and waits until it has.
    ///
    /// # Panics
    /// It does not end, or ends with an error.
    pub fn terminate(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "the process cannot be asked to end");
        let status = wait_for("the process to end", Duration::from_secs(30), || {
            self.0.try_wait().expect("a child process can be waited for")
        });
        assert!(status.success(), "the process ended with {status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Path of a file that belongs to the development material beside the repository, if it is there.
/// Where it is absent the caller skips; under CI it must be there.
///
/// # Panics
/// The file is absent under CI.
#[must_use]
pub fn shared_file(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if path.is_file() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is absent under CI");
    eprintln!("skipped: the data file {name} is not beside this repository");
    None
}
