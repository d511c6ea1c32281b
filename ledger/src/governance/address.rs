//! Where a node is reached: `host:port`, so strict that no part of it can be taken for anything
//! else in a URL, a log line or a command.
//!
//! Not here: whether anybody answers there.

use thiserror::Error;

use crate::encoding::parse_decimal;

/// Most bytes of an address.
pub const ADDRESS_MAX_BYTES: usize = 255;

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Longer than any host name with its port.
    #[error("an address of {found_bytes} bytes: it may have {ADDRESS_MAX_BYTES}")]
    TooLong {
        /// Bytes found.
        found_bytes: usize,
    },
    /// The host is missing or has other characters.
    #[error(
        "address {text:?}: the host is a name, an IPv4 address, or an IPv6 address in brackets"
    )]
    Host {
        /// The address as found.
        text: String,
    },
    /// The port is missing or none that can be called.
    #[error("address {text:?}: it must end in a colon and a port from 1 to 65535")]
    Port {
        /// The address as found.
        text: String,
    },
}

/// Checks an address `host:port`; an IPv6 host stands in brackets.
///
/// # Errors
/// See [`AddressError`].
pub fn check_address(text: &str) -> Result<(), AddressError> {
    if text.len() > ADDRESS_MAX_BYTES {
        return Err(AddressError::TooLong { found_bytes: text.len() });
    }
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| AddressError::Port { text: text.to_owned() })?;
    if !parse_decimal(port).is_some_and(|port| (1..=u64::from(u16::MAX)).contains(&port)) {
        return Err(AddressError::Port { text: text.to_owned() });
    }
    let is_name =
        |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(ipv6) => ipv6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && is_name(host),
    };
    if valid { Ok(()) } else { Err(AddressError::Host { text: text.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port_that_can_be_called() {
        for good in ["node1.example.org:4100", "127.0.0.1:1", "[::1]:65535", "a:4100"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in ["", "a", "a:", "a:0", "a:65536", "a:04100", "a:+1", "a:x"] {
            assert!(matches!(check_address(bad), Err(AddressError::Port { .. })), "{bad:?}");
        }
        for bad in [":1", "::1:1", "[::1:1", "[x]:1", "a b:1", "a/b:1", "u@h:1", "хост:1", "a\n:1"]
        {
            assert!(matches!(check_address(bad), Err(AddressError::Host { .. })), "{bad:?}");
        }
        let long = format!("{}:1", "a".repeat(253));
        assert_eq!(check_address(&long), Ok(()));
        let long = format!("a{long}");
        assert_eq!(check_address(&long), Err(AddressError::TooLong { found_bytes: 256 }));
    }
}
