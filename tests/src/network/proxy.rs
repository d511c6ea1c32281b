//! A network of loopback ports: it needs no rights.
//!
//! The log names an address of this network for each node, and this network passes the bytes on.
//! Who calls is found by the socket's owner in `/proc`, so a link is between two nodes and in one
//! direction: a node whose calls do not arrive may still be called. Not here: packets; what is lost
//! is held back, and what is late is late as a whole.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Link, Network};

/// How often a thread looks whether its link has changed.
const TICK: Duration = Duration::from_millis(20);

/// The network.
#[derive(Debug)]
pub struct Proxy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Vec<Place>,
    state: Mutex<State>,
    ended: AtomicBool,
}

/// Where a node is.
#[derive(Debug)]
struct Place {
    /// Where other nodes think that it listens.
    address: SocketAddr,
    /// Where it listens.
    listen: SocketAddr,
}

#[derive(Debug)]
struct State {
    links: Vec<Vec<Link>>,
    /// Process of each node that runs.
    processes: Vec<Option<u32>>,
}

impl Proxy {
    /// A network between so many nodes.
    ///
    /// # Panics
    /// There are no free ports.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut listeners = Vec::new();
        let mut places = Vec::new();
        // All at once, so that no port is given twice.
        let own: Vec<TcpListener> = (0..count).map(|_| bind()).collect();
        for own in &own {
            let listener = bind();
            let address = listener.local_addr().expect("a bound port");
            places.push(Place { address, listen: own.local_addr().expect("a bound port") });
            listeners.push(listener);
        }
        let state =
            State { links: vec![vec![Link::Open; count]; count], processes: vec![None; count] };
        let shared =
            Arc::new(Shared { places, state: Mutex::new(state), ended: AtomicBool::new(false) });
        for (to, listener) in listeners.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.accept(&listener, to));
        }
        Self(shared)
    }
}

impl Network for Proxy {
    fn count(&self) -> usize {
        self.0.places.len()
    }

    fn address(&self, node: usize) -> SocketAddr {
        self.0.places[node].address
    }

    fn listen(&self, node: usize) -> SocketAddr {
        self.0.places[node].listen
    }

    fn listen_for_clients(&self, _: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    fn command(&self, _: usize, program: &Path) -> Command {
        Command::new(program)
    }

    fn runs_as(&self, node: usize, process: Option<u32>) {
        self.0.state().processes[node] = process;
    }

    fn set(&self, from: usize, to: usize, link: Link) {
        self.0.state().links[from][to] = link;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, from: usize, to: usize) -> Link {
        if self.ended.load(Ordering::SeqCst) { Link::Refused } else { self.state().links[from][to] }
    }

    fn accept(self: Arc<Self>, listener: &TcpListener, to: usize) {
        listener.set_nonblocking(true).expect("a listener can be asked without waiting");
        while !self.ended.load(Ordering::SeqCst) {
            let Ok((stream, from)) = listener.accept() else {
                thread::park_timeout(Duration::from_millis(2));
                continue;
            };
            let processes = self.state().processes.clone();
            let Some(from) = owner(from.port(), self.places[to].address.port(), &processes) else {
                continue;
            };
            let shared = Arc::clone(&self);
            thread::spawn(move || shared.connect(&stream, from, to));
        }
    }

    /// Passes on what comes over a connection of one node to another.
    fn connect(&self, caller: &TcpStream, from: usize, to: usize) {
        if self.link(from, to) == Link::Refused {
            return;
        }
        let Ok(called) = TcpStream::connect(self.places[to].listen) else { return };
        for stream in [caller, &called] {
            let ready = stream
                .set_nonblocking(false)
                .and_then(|()| stream.set_nodelay(true))
                .and_then(|()| stream.set_read_timeout(Some(TICK)));
            if ready.is_err() {
                return;
            }
        }
        thread::scope(|scope| {
            scope.spawn(|| self.pass(caller, &called, from, to));
            self.pass(&called, caller, from, to);
        });
    }

    fn pass(&self, mut source: &TcpStream, mut target: &TcpStream, from: usize, to: usize) {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let read = match self.link(from, to) {
                Link::Refused => break,
                Link::Silent => {
                    thread::park_timeout(TICK);
                    continue;
                }
                Link::Open | Link::Slow(_) => source.read(&mut bytes),
            };
            let count = match read {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if waits(&error) => continue,
                Err(_) => break,
            };
            match self.held(from, to) {
                Link::Refused => break,
                Link::Slow(delay) => thread::sleep(delay),
                Link::Open | Link::Silent => {}
            }
            if target.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = target.shutdown(Shutdown::Both);
        let _ = source.shutdown(Shutdown::Both);
    }

    /// Waits while bytes are held back.
    fn held(&self, from: usize, to: usize) -> Link {
        loop {
            match self.link(from, to) {
                Link::Silent => thread::park_timeout(TICK),
                link => return link,
            }
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Whose process holds the socket with this port that is connected to that one.
fn owner(port: u16, to: u16, processes: &[Option<u32>]) -> Option<usize> {
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    let socket = sockets.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port_of = |word: &str| u16::from_str_radix(word.rsplit(':').next()?, 16).ok();
        let is = port_of(words.get(1)?) == Some(port) && port_of(words.get(2)?) == Some(to);
        is.then(|| format!("socket:[{}]", words.get(9).copied().unwrap_or_default()))
    })?;
    let holds = |process: u32| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        files
            .map(|file| fs::read_link(file.path()))
            .any(|target| target.is_ok_and(|target| target.as_os_str() == socket.as_str()))
    };
    processes.iter().position(|process| process.is_some_and(holds))
}
