//! Bad input at the port for other nodes of a running process: refused and counted, and nothing is
//! changed by it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use letopis_consensus::peer::CallError;
use letopis_tests::cluster::{Cluster, PATIENCE};
use letopis_tests::intruder::{Intruder, cosign, status};
use letopis_tests::load::head_of;
use letopis_tests::node::{Client, ORIGIN, verify};
use letopis_tests::random::Random;
use letopis_tests::wait_for;

/// Refusals that a node has counted, for one reason.
fn refused(client: &Client, reason: &str) -> u64 {
    let text = String::from_utf8(client.get("/metrics").unwrap().bytes).unwrap();
    let name = format!("letopis_peer_refused_total{{reason=\"{reason}\"}}");
    let line = text.lines().find(|line| line.starts_with(&name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// What the port says to bytes until it closes the connection.
fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    said
}

#[test]
fn whatever_comes_in_at_the_port_for_nodes_changes_nothing() {
    let cluster = Cluster::start(3, None, Vec::new());
    let (client, folder) = (cluster.client(1).unwrap(), cluster.folder(1));
    let address = cluster.network().listen(1);
    let head = || {
        let size = client.get("/healthz").unwrap().json()["applied"].as_u64().unwrap();
        let head = wait_for("publication", PATIENCE, || {
            head_of(&client).filter(|head| head.size().get() == size)
        });
        (size, *head.root())
    };
    let before = head();

    // Bytes that are no TLS, and HTTP/2 without it.
    let mut random = Random::new(7);
    for length in [1, 5, 100, 5_000, 100_000] {
        let noise: Vec<u8> = (0..length).map(|_| random.below(256).to_le_bytes()[0]).collect();
        assert!(say(address, &noise).len() < 100);
    }
    let hello = say(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(hello.len() < 100, "{hello:?}");
    // TLS without a certificate, and with one that the log does not name.
    let agent = ureq::Agent::config_builder()
        .tls_config(ureq::tls::TlsConfig::builder().disable_verification(true).build())
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .new_agent();
    assert!(agent.get(format!("https://{address}/")).call().is_err());
    let stranger = Intruder::unknown();
    let request = status(ORIGIN, 1, 2);
    let answer = stranger.call(2, folder, address, request.clone());
    assert!(matches!(answer, Err(CallError::Unreachable { .. })), "{answer:?}");
    wait_for("refusals to be counted", PATIENCE, || {
        (refused(&client, "handshake") >= 8).then_some(())
    });

    // A member that sends what does not belong here.
    let member = Intruder::with_keys_of(cluster.folder(0));
    let call = |bytes: Vec<u8>| member.call(2, folder, address, bytes);
    assert!(call(request.clone()).is_ok(), "a member's request is answered");
    let malformed = refused(&client, "malformed");
    let wrong = [
        (status("another.example/log", 1, 2), "another.example/log"),
        (status(ORIGIN, 3, 2), "from node 3"),
        (status(ORIGIN, 1, 3), "to node 3"),
        (request[..request.len() - 1].to_vec(), ""),
        ([&request[..], &[0]].concat(), "follow"),
        (vec![0xff; 1_000], "version 255"),
        (Vec::new(), ""),
    ];
    let count = wrong.len() as u64;
    for (bytes, words) in wrong {
        match call(bytes) {
            Err(CallError::Refused { reason, .. }) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{words}: {other:?}"),
        }
    }
    assert_eq!(refused(&client, "malformed"), malformed + count);
    let large = call(vec![0; (16 << 20) + 1]);
    assert!(matches!(large, Err(CallError::TooLarge { .. })), "{large:?}");
    // A checkpoint that is none, and one that another key signed.
    let unsigned = format!("{ORIGIN}\n5\nAAAA\n");
    for text in [String::new(), "no checkpoint".to_owned(), unsigned] {
        let answer = call(cosign(ORIGIN, 1, 2, &text)).unwrap();
        assert_eq!(answer[..3], [1, 0x82, 15], "refused: {}", String::from_utf8_lossy(&answer));
    }

    assert_eq!(head(), before, "the log changed");
    assert_eq!(verify(&["log", client.address()]).0, 0);
}
