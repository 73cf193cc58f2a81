//! Who makes a request, and where it comes from, for whatever clients share.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use ring::digest::{Context, SHA256};

/// Bits of an IPv6 address that are the customer's network and not their choice: whoever has one
/// address has all 2^64 that begin like it (RFC 4291, section 2.5.1).
const IPV6_NETWORK_BITS: u32 = 64;

/// The address of the client that made a request, an extension of the request. It is absent where
/// there is no such thing, as on standard input.
///
/// An IPv6 address that stands for one of IPv4 (`::ffff:192.0.2.1`) is that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The client with this address.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }

    /// The address of whoever made a request with these extensions. None: it came another way than
    /// over a network.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// The whole address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// What shares and bounds are counted by: an IPv4 address, or the first 64 bits of an IPv6 one,
    /// the others 0.
    #[must_use]
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(ip) => {
                let host_bits = u128::BITS - IPV6_NETWORK_BITS;
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> host_bits << host_bits))
            }
        }
    }
}

/// The whole address.
impl fmt::Display for ClientAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Who makes a request, made once where it is admitted. The caller of standard input is the default.
///
/// What belongs to a caller, such as a task, belongs to its credentials, so that a client whose address
/// changes still finds it. What callers share is counted by credentials and address.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caller {
    /// A digest, of which nothing can be read.
    credentials: [u8; 32],
    key: u64,
}

/// Nobody knows which keys are alike, since they differ from process to process.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Caller {
    /// Whoever sends these headers from this address. Where nobody holds the credentials against
    /// anything (`is_proven`), a client may choose them, and so be as many callers as it likes: only the
    /// address counts then.
    pub(crate) fn new(
        headers: &HeaderMap,
        address: Option<ClientAddress>,
        is_proven: bool,
    ) -> Self {
        let credentials = headers.get(AUTHORIZATION).map(digest).unwrap_or_default();
        let mut proven = [0; 8];
        if is_proven {
            proven.copy_from_slice(&credentials[..8]);
        }
        let network = address.map(ClientAddress::network);
        Self {
            credentials,
            key: KEYS.hash_one((proven, network)),
        }
    }

    /// What tells callers apart where they share something.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    #[cfg(test)]
    pub(crate) fn numbered(key: u64) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// What tells apart to whom something belongs.
    pub(crate) fn credentials(&self) -> &[u8] {
        &self.credentials
    }
}

/// A digest of the value of an `Authorization` header: the same for the same credentials, however the
/// scheme and the blanks are written.
fn digest(authorization: &HeaderValue) -> [u8; 32] {
    let value = authorization.as_bytes();
    let blank = value.iter().position(u8::is_ascii_whitespace);
    let (scheme, rest) = value.split_at(blank.unwrap_or(value.len()));
    let mut context = Context::new(&SHA256);
    context.update(&scheme.to_ascii_lowercase());
    context.update(b" ");
    context.update(rest.trim_ascii());
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(authorization: Option<&str>, from: &str, is_proven: bool) -> Caller {
        let value = authorization.map(|value| value.parse().expect("a header value"));
        let headers = value.map(|value| (AUTHORIZATION, value)).into_iter();
        Caller::new(&headers.collect(), Some(address(from)), is_proven)
    }

    #[test]
    fn callers_are_told_apart_by_token_and_address() {
        let key = |value, from| caller(Some(value), from, true).key();
        let one = key("Bearer token", "192.0.2.1");
        for same in [
            "Bearer token",
            "bearer token",
            "BEARER    token  ",
            "Bearer\ttoken",
        ] {
            assert_eq!(key(same, "::ffff:192.0.2.1"), one, "{same}");
        }
        assert_ne!(key("Bearer token", "192.0.2.2"), one);
        assert_ne!(key("Bearer Token", "192.0.2.1"), one);
        let key = |from| key("Bearer token", from);
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
    }

    #[test]
    fn who_may_choose_its_credentials_is_still_one_caller() {
        let of = |value| caller(value, "192.0.2.1", false);
        let (none, one, other) = (of(None), of(Some("Bearer 1")), of(Some("Bearer 2")));
        assert!(none.key() == one.key() && one.key() == other.key());
        assert_ne!(one.credentials(), other.credentials());
    }

    fn address(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().expect("an address"))
    }

    #[test]
    fn ipv6_counts_by_its_first_64_bits() {
        let one = address("2001:db8:1:2:3:4:5:6");
        assert_eq!(one.network(), address("2001:db8:1:2:ffff::9").network());
        assert_ne!(one.network(), address("2001:db8:1:3:3:4:5:6").network());
        assert_eq!(one.ip().to_string(), "2001:db8:1:2:3:4:5:6");
        assert_eq!(one.network().to_string(), "2001:db8:1:2::");
    }

    #[test]
    fn ipv4_counts_whole_however_it_is_written() {
        let one = address("192.0.2.1");
        assert_eq!(one, address("::ffff:192.0.2.1"));
        assert_eq!(one.network(), one.ip());
        assert_ne!(one.network(), address("192.0.2.2").network());
    }
}
