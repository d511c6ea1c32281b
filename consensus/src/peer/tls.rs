//! Who a node is to other nodes, and whom it believes: TLS 1.3 with pinned keys on both sides.
//!
//! Trust is the log's, not a certificate authority's: a certificate counts if the SHA-256 of its
//! subject public key info is one that the log names, and the handshake proves that the other side
//! holds the private key. Everything else in a certificate is for its readers. In particular its
//! period of validity is not looked at, and neither are names, issuers and revocation lists: a key
//! leaves service by a record in the log, at once and for everybody, and a cluster must not stop
//! on the day on which certificates that nobody looks at expire.
//!
//! Not here: connections (`super::grpc`), making certificates (the `letopis` program).

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

use letopis_ledger::hash::Hash;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
};
use thiserror::Error;

use super::Answer;

/// The only protocol inside: HTTP/2.
const ALPN: &[u8] = b"h2";

/// Why a certificate and its private key cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The certificate file cannot be read as PEM.
    #[error("the node's certificate is not PEM: {reason}; give the file as it was issued")]
    CertificatePem {
        /// What is wrong.
        reason: String,
    },
    /// The certificate file holds no certificate.
    #[error("no CERTIFICATE block in the node's certificate file")]
    NoCertificate,
    /// The first certificate is not one of X.509 version 3.
    #[error("the node's certificate cannot be read: {reason}; issue one of X.509 version 3")]
    Certificate {
        /// What is wrong.
        reason: String,
    },
    /// The private key file cannot be read as PEM.
    #[error("no private key in the node's key file: {reason}; it must be PEM, not encrypted")]
    KeyPem {
        /// What is wrong.
        reason: String,
    },
    /// The private key is of a kind that is not served.
    #[error("the node's private key cannot be used: {reason}; take ECDSA P-256 or Ed25519")]
    Key {
        /// What is wrong.
        reason: String,
    },
    /// The key is another certificate's.
    #[error(
        "the node's private key does not belong to its certificate: give the files of one pair"
    )]
    KeyMismatch,
}

/// A node's certificate with the private key: what it proves itself with, in both directions.
#[derive(Clone)]
pub struct NodeIdentity {
    certified: Arc<CertifiedKey>,
    key: Hash,
}

impl NodeIdentity {
    /// Reads a certificate, with its chain if there is one, and its private key from PEM.
    ///
    /// # Errors
    /// One of the two is not what it should be, or they are not a pair.
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain =
            chain.map_err(|error| IdentityError::CertificatePem { reason: error.to_string() })?;
        let private_key = PrivateKeyDer::from_pem_slice(private_key)
            .map_err(|error| IdentityError::KeyPem { reason: error.to_string() })?;
        Self::from_der(chain, private_key)
    }

    /// Takes a certificate, followed by its chain if there is one, and its private key.
    ///
    /// # Errors
    /// One of the two is not what it should be, or they are not a pair.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        private_key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let key = key_of(leaf)
            .map_err(|error| IdentityError::Certificate { reason: error.to_string() })?;
        let certified = CertifiedKey::from_der(chain, private_key, &provider()).map_err(
            |error| match error {
                Error::InconsistentKeys(_) => IdentityError::KeyMismatch,
                other => IdentityError::Key { reason: other.to_string() },
            },
        )?;
        Ok(Self { certified: Arc::new(certified), key })
    }

    /// SHA-256 of the certificate's subject public key info: what the log names.
    #[must_use]
    pub const fn key(&self) -> Hash {
        self.key
    }

    /// How this node accepts: from callers whose key `answer` knows at that moment.
    pub(super) fn server_config(&self, answer: Weak<dyn Answer>) -> ServerConfig {
        let verifier = KnownCallers { answer, provider: provider() };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("invariant: ring's cipher suites serve TLS 1.3")
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would skip the question whether the key is known.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config
    }

    /// How this node connects to the holder of `key`, and to nobody else.
    pub(super) fn client_config(&self, key: Hash) -> ClientConfig {
        let verifier = PinnedServer { key, provider: provider() };
        let resolver = SingleCertAndKey::from(Arc::clone(&self.certified));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("invariant: ring's cipher suites serve TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        // Names prove nothing here, so none is told to whoever listens.
        config.enable_sni = false;
        config
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeIdentity").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The pin of a certificate: SHA-256 of its subject public key info (DER).
pub(super) fn key_of(certificate: &CertificateDer<'_>) -> Result<Hash, Error> {
    Ok(Hash::of(&ParsedCertificate::try_from(certificate)?.subject_public_key_info()))
}

/// A failed handshake in words: what this side found wrong with a certificate is said as it is.
pub(super) fn explained(error: io::Error) -> io::Error {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match found {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))) => {
            io::Error::new(io::ErrorKind::PermissionDenied, reason.to_string())
        }
        _ => error,
    }
}

/// The one cryptography of this crate; a process-wide default may be any.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate that proves nothing here.
#[derive(Debug, Error)]
enum Untrusted {
    #[error("no member of the log has the key {0}")]
    Unknown(Hash),
    #[error("the certificate has the key {found}, and the log names {expected} for this node")]
    Other { found: Hash, expected: Hash },
    #[error("the node is stopping")]
    Stopping,
}

impl From<Untrusted> for Error {
    fn from(reason: Untrusted) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
    }
}

/// Believes callers whose keys the log names; asks at every handshake, because the log moves on.
struct KnownCallers {
    answer: Weak<dyn Answer>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for KnownCallers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownCallers")
    }
}

impl ClientCertVerifier for KnownCallers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let key = key_of(end_entity)?;
        let answer = self.answer.upgrade().ok_or(Untrusted::Stopping)?;
        answer.known(&key).ok_or(Untrusted::Unknown(key))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls_1_3_only())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes the holder of one key.
#[derive(Debug)]
struct PinnedServer {
    key: Hash,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = key_of(end_entity)?;
        if found != self.key {
            return Err(Untrusted::Other { found, expected: self.key }.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls_1_3_only())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn tls_1_3_only() -> Error {
    Error::General("nodes speak TLS 1.3 only".to_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PublicKeyData};

    use super::*;

    fn pair() -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["node-1.zarechny".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key)
    }

    #[test]
    fn the_pin_is_the_hash_of_the_public_key_info() {
        let (certificate, key) = pair();
        let identity =
            NodeIdentity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(identity.key(), Hash::of(&key.subject_public_key_info()));
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }

    #[test]
    fn files_that_are_no_pair_are_refused_with_what_is_wrong() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let read = |certificate: &str, key: &str| {
            NodeIdentity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
        };
        assert_eq!(read(&certificate, &other.serialize_pem()), IdentityError::KeyMismatch);
        assert_eq!(read("", &key.serialize_pem()), IdentityError::NoCertificate);
        assert!(matches!(read(&certificate, ""), IdentityError::KeyPem { .. }));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let refused = read(garbage, &key.serialize_pem());
        assert!(matches!(refused, IdentityError::Certificate { .. }), "{refused}");
    }
}
