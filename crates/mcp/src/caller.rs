//! Where a request comes from, for whatever clients share.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Extensions;

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

#[cfg(test)]
mod tests {
    use super::*;

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
