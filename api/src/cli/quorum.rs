//! The quorum policy that follows from who takes part: every agency counts once, however many
//! nodes it runs, and more than half of them make a head final.
//!
//! A witness is named by its agency, further nodes of it by `<agency>.<node>`. A policy that is
//! meant to be another is written by hand and set with `letopis agency policy`.

use std::collections::BTreeMap;
use std::fmt::Write;

use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::note::VerifierKey;
use letopis_ledger::policy::Policy;

/// Name of the group of all agencies; no agency's id has a dot.
const AGENCIES: &str = "agencies.majority";

/// Witnesses by agency.
type Witnesses = BTreeMap<String, Vec<(String, VerifierKey)>>;

/// The policy with another node's cosigning key.
pub(crate) fn with(
    policy: &str,
    agency: &AgencyId,
    node: NodeId,
    key: &VerifierKey,
) -> anyhow::Result<String> {
    let policy = Policy::parse(policy)?;
    let mut witnesses = witnesses(&policy);
    let of_agency = witnesses.entry(agency.to_string()).or_default();
    let first = !of_agency.iter().any(|(name, _)| name == agency.as_str());
    let name = if first { agency.to_string() } else { format!("{agency}.{node}") };
    of_agency.push((name, key.clone()));
    rebuild(logs(&policy), &witnesses)
}

/// The policy without an agency, or `None` when it does not name it.
pub(crate) fn without(policy: &str, agency: &AgencyId) -> anyhow::Result<Option<String>> {
    let policy = Policy::parse(policy)?;
    let mut witnesses = witnesses(&policy);
    if witnesses.remove(agency.as_str()).is_none() {
        return Ok(None);
    }
    rebuild(logs(&policy), &witnesses).map(Some)
}

/// The policy with another cosigning key in the place of one.
pub(crate) fn replacing(
    policy: &str,
    old: &VerifierKey,
    new: &VerifierKey,
) -> anyhow::Result<String> {
    anyhow::ensure!(
        policy.contains(&old.to_string()),
        "the policy in force does not name this node's cosigning key {}",
        old.id()
    );
    Ok(Policy::parse(&policy.replace(&old.to_string(), &new.to_string()))?.to_string())
}

/// The policy with another key of the log.
pub(crate) fn with_log_key(policy: &str, key: &VerifierKey) -> anyhow::Result<String> {
    let policy = Policy::parse(policy)?;
    let kept: String = policy
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("log "))
        .fold(String::new(), |text, line| text + line + "\n");
    Ok(Policy::parse(&format!("log {key}\n{kept}"))?.to_string())
}

fn logs(policy: &Policy) -> Vec<&VerifierKey> {
    policy.logs().iter().map(|log| &log.key).collect()
}

fn witnesses(policy: &Policy) -> Witnesses {
    let mut witnesses = Witnesses::new();
    for witness in policy.witnesses() {
        let name = witness.name.as_str();
        let agency = name.split('.').next().unwrap_or(name);
        let of_agency = witnesses.entry(agency.to_owned()).or_default();
        of_agency.push((name.to_owned(), witness.key.clone()));
    }
    witnesses
}

fn rebuild(logs: Vec<&VerifierKey>, witnesses: &Witnesses) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut groups = String::new();
    let mut members = Vec::new();
    for key in logs {
        writeln!(text, "log {key}")?;
    }
    for (agency, nodes) in witnesses {
        for (name, key) in nodes {
            writeln!(text, "witness {name} {key}")?;
        }
        let names: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [only] => members.push((*only).to_owned()),
            names => {
                writeln!(groups, "group {agency}.nodes any {}", names.join(" "))?;
                members.push(format!("{agency}.nodes"));
            }
        }
    }
    text += &groups;
    let quorum = match members.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        members => {
            let most = members.len() / 2 + 1;
            writeln!(text, "group {AGENCIES} {most} {}", members.join(" "))?;
            AGENCIES.to_owned()
        }
    };
    writeln!(text, "quorum {quorum}")?;
    Ok(Policy::parse(&text)?.to_string())
}

#[cfg(test)]
mod tests {
    use letopis_ledger::note::{KeyName, SignatureType, SignerKey};

    use super::*;

    fn key(name: &str, kind: SignatureType, seed: u8) -> VerifierKey {
        let key = SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32].into());
        key.unwrap().verifier_key().clone()
    }

    fn cosigner(name: &str, seed: u8) -> VerifierKey {
        key(&format!("log.example/{name}"), SignatureType::Ed25519Cosignature, seed)
    }

    fn agency(name: &str) -> AgencyId {
        AgencyId::parse(name).unwrap()
    }

    fn node(number: u64) -> NodeId {
        NodeId::new(number).unwrap()
    }

    fn lines(policy: &str) -> Vec<String> {
        let rest = policy.lines().filter(|l| l.starts_with("group") || l.starts_with("quorum"));
        rest.map(str::to_owned).collect()
    }

    #[test]
    fn each_agency_counts_once_and_more_than_half_decide() {
        let log = key("log.example", SignatureType::Ed25519, 1);
        let policy = format!("log {log}\nwitness a {}\nquorum a\n", cosigner("a", 2));
        let policy = with(&policy, &agency("b"), node(2), &cosigner("b", 3)).unwrap();
        assert_eq!(lines(&policy), ["group agencies.majority 2 a b", "quorum agencies.majority"]);
        let policy = with(&policy, &agency("c"), node(3), &cosigner("c", 4)).unwrap();
        let policy = with(&policy, &agency("b"), node(4), &cosigner("b4", 5)).unwrap();
        let expected = [
            "group b.nodes any b b.4",
            "group agencies.majority 2 a b.nodes c",
            "quorum agencies.majority",
        ];
        assert_eq!(lines(&policy), expected);
        let policy = without(&policy, &agency("b")).unwrap().unwrap();
        assert_eq!(lines(&policy), ["group agencies.majority 2 a c", "quorum agencies.majority"]);
        assert_eq!(without(&policy, &agency("b")).unwrap(), None);
        let policy = replacing(&policy, &cosigner("a", 2), &cosigner("a", 9)).unwrap();
        assert!(replacing(&policy, &cosigner("a", 2), &cosigner("a", 9)).is_err());
        let next = key("log.example", SignatureType::Ed25519, 8);
        let policy = with_log_key(&policy, &next).unwrap();
        assert!(policy.contains(&next.to_string()) && !policy.contains(&log.to_string()));
    }
}
