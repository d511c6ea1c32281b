//! Makes the certificate with which a node proves to other nodes that it is itself.
//!
//! It is self-signed: nodes believe the key that the log names, not an issuer. The names and the
//! period in it are for people and their tools. An agency may use a certificate of its own
//! authority instead. Not here: where the files are kept, and the check of such certificates
//! (`letopis_consensus::peer::tls`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Ten years, with their leap days.
const VALIDITY: Duration = Duration::from_secs(3_653 * 24 * 60 * 60);

/// The certificate could not be made.
#[derive(Debug, Error)]
#[error("no certificate could be made for node {node} of {agency}: {error}")]
pub(crate) struct CertificateError {
    node: NodeId,
    agency: AgencyId,
    error: rcgen::Error,
}

/// A node's certificate and its private key, as text for two files.
pub(crate) struct NodeCertificate {
    /// The certificate as PEM.
    pub(crate) certificate_pem: String,
    /// The private key as PEM (PKCS #8).
    pub(crate) private_key_pem: Zeroizing<String>,
    /// SHA-256 of the subject public key info: what the log must name.
    pub(crate) key: Hash,
}

impl NodeCertificate {
    /// Makes a key of ECDSA P-256 and a certificate of it that begins at `from`.
    pub(crate) fn generate(
        node: NodeId,
        agency: &AgencyId,
        from: SystemTime,
    ) -> Result<Self, CertificateError> {
        let name = format!("node-{node}.{agency}");
        make(&name, from).map_err(|error| CertificateError { node, agency: agency.clone(), error })
    }
}

fn make(name: &str, from: SystemTime) -> Result<NodeCertificate, rcgen::Error> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // A clock before 1970 only makes the period an odd one; nothing depends on it.
    let since_1970 = from.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970;
    params.not_after = params.not_before + VALIDITY;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    Ok(NodeCertificate {
        certificate_pem: params.self_signed(&pair)?.pem(),
        private_key_pem: Zeroizing::new(pair.serialize_pem()),
        key: Hash::of(&pair.subject_public_key_info()),
    })
}

#[cfg(test)]
mod tests {
    use letopis_consensus::peer::tls::{IdentityError, NodeIdentity};

    use super::*;

    fn generate() -> NodeCertificate {
        let agency = AgencyId::parse("zarechny").unwrap();
        NodeCertificate::generate(NodeId::new(7).unwrap(), &agency, SystemTime::now()).unwrap()
    }

    #[test]
    fn the_transport_takes_the_files_and_finds_the_same_key() {
        let made = generate();
        let identity = NodeIdentity::from_pem(
            made.certificate_pem.as_bytes(),
            made.private_key_pem.as_bytes(),
        );
        assert_eq!(identity.unwrap().key(), made.key);
    }

    #[test]
    fn every_certificate_has_a_key_of_its_own() {
        let (one, two) = (generate(), generate());
        assert_ne!(one.key, two.key);
        let mixed =
            NodeIdentity::from_pem(one.certificate_pem.as_bytes(), two.private_key_pem.as_bytes());
        assert_eq!(mixed.unwrap_err(), IdentityError::KeyMismatch);
    }
}
