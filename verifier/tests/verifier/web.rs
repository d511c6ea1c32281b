//! Logs behind a web address, served well, badly and by somebody who means harm.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use letopis_verifier::audit::{AuditError, AuditOptions, Nobody, audit};
use letopis_verifier::finding::Rule;
use letopis_verifier::source::{HttpSource, LogSource, SourceError};

use super::written::{Found, Written, list};

/// How a server answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As it should.
    Honest,
    /// The first request of a connection's path fails, later ones do not.
    FailsOnce,
    /// Everything but the checkpoint is an error of the server.
    Broken,
    /// Closes the connection in the middle of every answer but the checkpoint.
    CutsOff,
    /// Answers everything but the checkpoint with bytes that never end.
    Endless,
}

/// Serves a folder until the process ends. Gives the address.
fn serve(folder: &Path, manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    let count = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (folder, count) = (folder.clone(), Arc::clone(&count));
            // A client that goes away is its own affair.
            thread::spawn(move || stream.and_then(|stream| answer(stream, folder, manner, &count)));
        }
    });
    address
}

fn answer(
    mut stream: TcpStream,
    folder: PathBuf,
    manner: Manner,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
    let misbehaves = path != "checkpoint";
    let fails = manner == Manner::FailsOnce && is_first || manner == Manner::Broken && misbehaves;
    if fails {
        return stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    }
    if manner == Manner::Endless && misbehaves {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[0xff; 1 << 16])?;
        }
    }
    let Ok(body) = fs::read(folder.join(path)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let cut = manner == Manner::CutsOff && misbehaves;
    stream.write_all(if cut { &body[..length / 2] } else { &body })
}

fn audited(address: &str) -> Result<Vec<Found>, AuditError> {
    let audit = audit(&HttpSource::new(address), &AuditOptions::default(), &mut Nobody)?;
    Ok(list(&audit.findings))
}

#[test]
fn a_log_behind_an_address_is_checked_like_one_in_a_folder() {
    let folder = Written::of_size(600).published();
    assert_eq!(audited(&serve(folder.path(), Manner::Honest)).unwrap(), []);
    fs::remove_file(folder.path().join("tile/entries/001")).unwrap();
    let found = audited(&serve(folder.path(), Manner::Honest)).unwrap();
    assert_eq!(found[0], (Rule::BundleForm, Some(256)), "{found:?}");
}

#[test]
fn a_passing_failure_is_tried_again_and_a_lasting_one_is_no_statement_about_the_log() {
    let folder = Written::of_size(3).published();
    assert_eq!(audited(&serve(folder.path(), Manner::FailsOnce)).unwrap(), []);
    for manner in [Manner::Broken, Manner::CutsOff] {
        let failed = audited(&serve(folder.path(), manner));
        let is_failure = matches!(failed, Err(AuditError::Source(SourceError::Failed { .. })));
        assert!(is_failure, "{failed:?}");
    }
}

#[test]
fn an_endless_answer_is_cut_off_and_reported() {
    let folder = Written::of_size(3).published();
    let started = Instant::now();
    let found = audited(&serve(folder.path(), Manner::Endless)).unwrap();
    assert!(found.contains(&(Rule::BundleForm, Some(0))), "{found:?}");
    assert!(found.contains(&(Rule::TileHash, Some(0))), "{found:?}");
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn exactly_as_many_bytes_as_allowed_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), [7; 100]).unwrap();
    let source = HttpSource::new(&serve(folder.path(), Manner::Honest));
    assert_eq!(source.get("file", 100).unwrap(), [7; 100]);
    assert!(matches!(source.get("file", 99), Err(SourceError::TooLarge { max_bytes: 99, .. })));
    assert!(matches!(source.get("none", 99), Err(SourceError::NotFound { .. })));
}
