//! Who is not believed gets nothing, and changes nothing for the others.

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::refused::Reason;
use super::*;

#[tokio::test]
async fn a_certificate_that_the_log_does_not_name_gets_nothing() {
    let (port, known) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let stranger = GrpcTransport::new(identity(), GrpcLimits::default());
    let refused = call(&stranger, &port.peer(), &[ECHO]).await.unwrap_err();
    assert!(matches!(refused, CallError::Unreachable { .. }), "{refused}");
    until(|| port.refusals.of(Reason::Handshake) == 1).await;
    assert_eq!(port.desk.calls(), 0);

    assert_eq!(call(&known, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    assert_eq!(port.desk.calls(), 1);
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_caller_without_a_certificate_gets_nothing() {
    let (port, _) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let mut config = identity().client_config(port.key);
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    let stream = TcpStream::connect(port.address).await.unwrap();
    let name = ServerName::try_from("peer.letopis").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    // TLS 1.3 tells the client of its own refusal only when it reads.
    if let Ok(mut stream) = within(connecting).await {
        assert!(within(stream.read_u8()).await.is_err());
    }
    until(|| port.refusals.of(Reason::Handshake) == 1).await;
    assert_eq!(port.desk.calls(), 0);
}

#[tokio::test]
async fn a_server_with_another_key_than_the_log_names_is_not_told_a_request() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let expected = PeerAddress { key: identity().key(), ..port.peer() };
    let refused = call(&transport, &expected, &[ECHO]).await.unwrap_err();
    let CallError::Unreachable { node: number, reason, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*number, node(2));
    assert!(reason.contains("the log names"), "{reason}");
    assert_eq!(port.desk.calls(), 0);
}

#[tokio::test]
async fn a_key_that_leaves_the_log_loses_the_connection_that_is_open() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    let known = std::mem::take(&mut *port.desk.known.lock().unwrap());
    let refused = call(&transport, &port.peer(), &[ECHO]).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
    assert_eq!((port.desk.calls(), port.refusals.of(Reason::UnknownKey)), (1, 1));

    *port.desk.known.lock().unwrap() = known;
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
}

#[tokio::test]
async fn other_bytes_than_tls_are_refused_and_change_nothing() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let noise: Vec<u8> = (0..64_u8).flat_map(|byte| *Hash::of(&[byte]).as_bytes()).collect();
    // A record header of TLS with a length that no record has.
    let record = [0x16, 0x03, 0x01, 0xff, 0xff];
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", &noise, &record];
    for (number, bytes) in (1..).zip(garbage) {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        // The other side may have closed already; what counts is that it does.
        let _ = stream.write_all(bytes).await;
        let mut told = vec![];
        let _ = within(stream.read_to_end(&mut told)).await;
        assert!(told.len() < 16, "at most an alert of TLS: {told:?}");
        until(|| port.refusals.of(Reason::Handshake) == number).await;
    }
    drop(TcpStream::connect(port.address).await.unwrap());
    assert_eq!(port.desk.calls(), 0);
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
}

#[tokio::test]
async fn a_flood_of_silent_connections_keeps_no_node_out() {
    let limits = GrpcLimits { handshakes: 2, handshake_timeout: DEADLINE, ..Default::default() };
    let (port, transport) = pair(limits, GrpcLimits::default()).await;
    let mut silent = vec![];
    for _ in 0..20 {
        silent.push(TcpStream::connect(port.address).await.unwrap());
    }
    until(|| port.refusals.of(Reason::HandshakeCrowded) >= 18).await;
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    drop(silent);
}

#[tokio::test]
async fn a_handshake_that_says_nothing_ends() {
    let handshake_timeout = Duration::from_millis(50);
    let limits = GrpcLimits { handshake_timeout, ..Default::default() };
    let (port, _) = pair(limits, GrpcLimits::default()).await;
    let mut silent = TcpStream::connect(port.address).await.unwrap();
    assert_eq!(within(silent.read(&mut [0; 1])).await.unwrap(), 0);
    until(|| port.refusals.of(Reason::HandshakeTimeout) == 1).await;
}
