//! Server processes: started, counted by what `/proc` says of them, and stopped in any case.
//!
//! Dropping a [`Server`] stops it, so an error, a panic and Ctrl-C stop it too; `setpriv`, where
//! the system has it, makes the kernel end it even when this process is killed.
//! Not here: how a particular server is configured.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long servers may take until they accept records.
const START: Duration = Duration::from_secs(60);
/// How long a server may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(10);
/// How long a server may take to make durable what it holds and to end.
const END: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// What processes have used since they started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) processor_seconds: f64,
    /// Bytes that they caused to be sent to the disk (`write_bytes` in `io`, proc(5)).
    pub(crate) bytes_written: u64,
}

impl Usage {
    /// What was used after `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            processor_seconds: self.processor_seconds - earlier.processor_seconds,
            bytes_written: self.bytes_written.saturating_sub(earlier.bytes_written),
        }
    }
}

/// A user that a server runs as instead of root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The first of these users that the system knows.
    pub(crate) fn find(names: &[&str]) -> Option<Self> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let of = |name: &&str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        };
        names.iter().find_map(of)
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // The owner of a process's folder there is its effective user.
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Finds a program in the given folders, then in `PATH`.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = folders.iter().cloned().chain(std::env::split_paths(&path));
    known.map(|folder| folder.join(program)).find(|found| found.is_file())
}

/// A command that runs as `user`, and that ends by `signal` when this process does.
pub(crate) fn command(
    program: &Path,
    user: Option<User>,
    signal: Signal,
) -> anyhow::Result<Command> {
    let Some(setpriv) = find("setpriv", &["/usr/bin".into(), "/bin".into()]) else {
        anyhow::ensure!(user.is_none(), "as root this needs `setpriv`, of Debian's `util-linux`");
        return Ok(Command::new(program));
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", signal.name()]);
    if let Some(User { uid, gid }) = user {
        command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// How a server is told to stop; nothing that it holds is needed afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// At once.
    Kill,
    /// PostgreSQL's immediate shutdown, which ends its other processes too.
    Quit,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
        }
    }
}

/// One server process, with the processes that it starts.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    stop: Signal,
    log: PathBuf,
}

impl Server {
    /// Starts it; what it prints goes to `log`.
    pub(crate) fn start(mut command: Command, stop: Signal, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Self { child, stop, log: log.to_owned() })
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("a server stopped with {status}:\n{}", self.end_of_log()),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop != Signal::Kill {
            let signal = format!("-{}", self.stop.name());
            let asked = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
            let deadline = Instant::now() + STOP;
            while asked.is_ok() && Instant::now() < deadline {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(POLL);
            }
        }
        // It has ended by itself if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that `status` of a process states under a name, such as `VmRSS:` (proc(5)).
pub(crate) fn memory_of(process: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.with_context(|| format!("{name} in {path}"))?.parse()?;
    Ok(kib * 1024)
}

/// The servers of one case.
#[derive(Debug, Default)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// One more.
    pub(crate) fn push(&mut self, server: Server) {
        self.0.push(server);
    }

    /// Stops all of them and waits until they have ended.
    pub(crate) fn stop(&mut self) {
        self.0.clear();
    }

    /// Asks all of them to end and waits until they have; an error if one did not end well.
    pub(crate) fn end_all(&mut self) -> anyhow::Result<()> {
        let ids: Vec<String> = self.0.iter().map(|server| server.child.id().to_string()).collect();
        Command::new("kill").arg("-TERM").args(&ids).status()?;
        let deadline = Instant::now() + END;
        for server in &mut self.0 {
            let status = loop {
                match server.child.try_wait()? {
                    Some(status) => break status,
                    None => ensure!(Instant::now() < deadline, "a server does not end"),
                }
                std::thread::sleep(POLL);
            };
            ensure!(status.success(), "a server ended with {status}:\n{}", server.end_of_log());
        }
        Ok(())
    }

    /// Bytes of memory that each holds (`VmRSS` in `status`, proc(5)).
    pub(crate) fn resident(&self) -> anyhow::Result<Vec<u64>> {
        self.memory("VmRSS:")
    }

    /// Most bytes of memory that each has held (`VmHWM` in `status`, proc(5)).
    pub(crate) fn peak(&self) -> anyhow::Result<Vec<u64>> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> anyhow::Result<Vec<u64>> {
        self.0.iter().map(|server| memory_of(server.child.id(), name)).collect()
    }

    /// What they have used, with every process that they started.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let processes = processes()?;
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (&id, process) in &processes {
            children.entry(process.parent).or_default().push(id);
        }
        let mut sum = Usage::default();
        let mut open: Vec<u32> = self.0.iter().map(|server| server.child.id()).collect();
        while let Some(id) = open.pop() {
            open.extend(children.get(&id).into_iter().flatten());
            let Some(process) = processes.get(&id) else { bail!("server process {id} has ended") };
            sum.processor_seconds += process.processor_seconds;
            sum.bytes_written += written(id)?;
        }
        Ok(sum)
    }

    /// Tries until it succeeds, the time is over, or a server has stopped.
    pub(crate) async fn until_ready<T>(
        &mut self,
        mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + START;
        loop {
            for server in &mut self.0 {
                server.check_alive()?;
            }
            // An attempt that hangs must not use up the time that others have.
            let error = match tokio::time::timeout(START / 10, attempt()).await {
                Ok(Ok(ready)) => return Ok(ready),
                Ok(Err(error)) => error,
                Err(late) => late.into(),
            };
            if Instant::now() > deadline {
                let logs: Vec<String> = self.0.iter().map(Server::end_of_log).collect();
                return Err(error.context(format!("not ready in {START:?}:\n{}", logs.join("\n"))));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

struct Process {
    parent: u32,
    /// Of the process and of those of its children that have ended.
    processor_seconds: f64,
}

/// Every process of the machine. One that ends meanwhile is counted by its parent.
fn processes() -> anyhow::Result<BTreeMap<u32, Process>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        all.insert(id, parse_stat(&stat).with_context(|| format!("/proc/{id}/stat"))?);
    }
    Ok(all)
}

/// Parent, and user and system time with that of ended children: fields 4 and 14 to 17 (proc(5)).
fn parse_stat(stat: &str) -> Option<Process> {
    /// Clock ticks per second, which Linux fixes for this file.
    const TICKS: f64 = 100.0;
    // The name stands in brackets and may itself hold brackets and spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: Vec<f64> = fields.get(11..15)?.iter().filter_map(|t| t.parse().ok()).collect();
    let parent = fields.get(1)?.parse().ok()?;
    Some(Process { parent, processor_seconds: ticks.iter().sum::<f64>() / TICKS })
}

/// Bytes that a process and its ended children sent to the disk; 0 if it has just ended.
fn written(id: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{id}/io");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(error).with_context(|| format!("read {path}"));
        }
        Err(_) => return Ok(0),
    };
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).with_context(|| format!("write_bytes in {path}"))
}

/// Ports of the loopback interface that were free just now.
pub(crate) fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // All are held until all are found, so that none is found twice.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Servers, Signal, command, free_ports, parse_stat};

    #[test]
    fn times_and_parent_are_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b (c)) S 3 7 7 0 -1 0 1 2 3 4 100 50 25 25 20 0 1 0 9 0 0";
        let process = parse_stat(stat).expect("well-formed");
        assert_eq!(process.parent, 3);
        assert!((process.processor_seconds - 2.0).abs() < 1e-9);
        assert!(parse_stat("7 no name").is_none());
    }

    #[test]
    fn ports_differ() {
        let mut ports = free_ports(8).expect("loopback");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 8);
    }

    #[test]
    fn a_dropped_server_has_ended() {
        let folder = tempfile::tempdir().expect("folder");
        for stop in [Signal::Kill, Signal::Quit] {
            let mut sleep = command("/bin/sleep".as_ref(), None, stop).expect("command");
            sleep.arg("600");
            let server = super::Server::start(sleep, stop, &folder.path().join("log"));
            let mut servers = Servers::default();
            servers.push(server.expect("started"));
            servers.usage().expect("it runs");
            let id = servers.0[0].child.id();
            drop(servers);
            assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
        }
    }
}
