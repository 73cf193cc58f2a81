//! Proxies that are trusted to say whom they ask for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use wasimancer_mcp::ClientAddress;

/// What most proxies say it with.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Whoever connects through a Unix socket. No listener of the server is one, so there is nothing to
/// trust by it; configurations that name it are written for servers that stand behind a proxy.
const UNIX: &str = "unix";

/// The networks of proxies whose word is taken for the address of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The proxies with these addresses or networks (`10.0.0.0/8`).
    ///
    /// # Errors
    /// What each of the wrong names should be.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Vec<String>> {
        let mut networks = Vec::with_capacity(names.len());
        let mut wrong = Vec::new();
        for name in names.iter().filter(|name| *name != UNIX) {
            let address = name
                .parse::<IpAddr>()
                .map(|ip| IpNet::from(ip.to_canonical()));
            match name.parse::<IpNet>().or(address) {
                Ok(network) => networks.push(network),
                Err(_) => wrong.push(format!(
                    "{name:?} is no network: write one such as 10.0.0.0/8, 2001:db8::/32, 192.0.2.7 or {UNIX}"
                )),
            }
        }
        if wrong.is_empty() {
            Ok(Self(networks))
        } else {
            Err(wrong)
        }
    }

    /// Whether nobody is trusted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether whoever has this address is taken at their word.
    pub(crate) fn trusts(&self, address: ClientAddress) -> bool {
        let ip = address.ip();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Whose request it is that a trusted proxy passes on: the last address that it names which is no
    /// trusted proxy itself. Where an entry names none, it is the address nearest to it; where both
    /// headers are there and disagree, one was the client's own, and it is the proxy.
    pub(crate) fn client(&self, proxy: ClientAddress, headers: &HeaderMap) -> ClientAddress {
        let values = |name| headers.get_all(name).iter().rev();
        let forwarded = self.last_untrusted(proxy, values(&FORWARDED).flat_map(forwarded_from_end));
        let plain =
            self.last_untrusted(proxy, values(&X_FORWARDED_FOR).flat_map(addresses_from_end));
        match (
            headers.contains_key(&FORWARDED),
            headers.contains_key(&X_FORWARDED_FOR),
        ) {
            (true, true) if forwarded != plain => proxy,
            (true, _) => forwarded,
            (false, _) => plain,
        }
    }

    /// Walks from the server towards the client, over entries that are none where they are malformed.
    fn last_untrusted(
        &self,
        proxy: ClientAddress,
        entries: impl Iterator<Item = Option<IpAddr>>,
    ) -> ClientAddress {
        let mut nearest = proxy;
        for entry in entries {
            let Some(ip) = entry else {
                break;
            };
            nearest = ClientAddress::new(ip);
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }
}

/// The addresses of a value of `X-Forwarded-For`, the last one first.
fn addresses_from_end(value: &HeaderValue) -> impl Iterator<Item = Option<IpAddr>> {
    let pieces = value.as_bytes().rsplit(|byte| *byte == b',');
    let pieces = pieces.map(<[u8]>::trim_ascii);
    // RFC 9110, section 5.6.1: elements of a list may be empty.
    let entries = pieces.filter(|piece| !piece.is_empty());
    entries.map(|piece| node(str::from_utf8(piece).ok()?))
}

/// The `for` of each element of a value of `Forwarded` (RFC 7239, section 4), the last one first.
fn forwarded_from_end(value: &HeaderValue) -> impl Iterator<Item = Option<IpAddr>> {
    // What is not ASCII can stand in quotes alone, where no address is.
    let text = value.to_str().unwrap_or("malformed");
    let elements = pieces_from_end(text, b',').map(str::trim);
    elements
        .filter(|element| !element.is_empty())
        .map(forwarded_for)
}

/// The address of the one `for` of an element.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in pieces_from_end(element, b';') {
        let (name, value) = pair.trim().split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            continue;
        }
        let quoted = value.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
        // An address needs no backslash in its quotes, and with one it is none.
        if found.replace(quoted.unwrap_or(Some(value))?).is_some() {
            return None;
        }
    }
    node(found?)
}

/// The address of a node, which may have a port (RFC 7239, section 6): `192.0.2.1:80`,
/// `[2001:db8::1]:80`. `X-Forwarded-For` has IPv6 without brackets too.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let ip = ip.parse::<Ipv6Addr>().ok()?;
        return is_whole.then_some(IpAddr::V6(ip));
    }
    let (ip, port) = text.split_once(':')?;
    let ip = ip.parse::<Ipv4Addr>().ok()?;
    is_port(port).then_some(IpAddr::V4(ip))
}

/// The pieces between separators outside of quotes, the last one first: the end is what the nearest
/// proxy wrote, whatever stands before it.
fn pieces_from_end(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let bytes = whole.as_bytes();
        let mut is_quoted = false;
        for (at, byte) in bytes.iter().enumerate().rev() {
            if *byte == b'"' {
                let before = bytes[..at].iter().rev();
                let is_escaped = before.take_while(|byte| **byte == b'\\').count() % 2 == 1;
                is_quoted ^= !is_escaped;
            } else if *byte == separator && !is_quoted {
                rest = Some(&whole[..at]);
                return Some(&whole[at + 1..]);
            }
        }
        rest = None;
        Some(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().expect("an address"))
    }

    fn proxies(names: &[&str]) -> TrustedProxies {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        TrustedProxies::parse(&names).expect("networks")
    }

    fn client(headers: &[(&HeaderName, &str)]) -> String {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a header value");
            (HeaderName::clone(name), value)
        });
        let proxies = proxies(&["10.0.0.0/8", "2001:db8:1::/48", "unix"]);
        proxies
            .client(address("10.0.0.1"), &headers.collect())
            .to_string()
    }

    #[test]
    fn the_last_untrusted_address_is_the_client() {
        for (value, wanted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.1, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.1, 192.0.2.1,10.0.0.2 ,10.9.9.9", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:80", "2001:db8::7"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 2001:db8:1::9", "192.0.2.1"),
            // Nobody but proxies.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // Malformed, and so nobody knows who is before it.
            ("unknown", "10.0.0.1"),
            ("192.0.2.1, nonsense, 10.0.0.2", "10.0.0.2"),
            ("192.0.2.1:x", "10.0.0.1"),
            ("192.0.2.256", "10.0.0.1"),
            ("[2001:db8::7", "10.0.0.1"),
            ("[192.0.2.1]", "10.0.0.1"),
            ("", "10.0.0.1"),
            (" , 192.0.2.1 ,, ", "192.0.2.1"),
        ] {
            assert_eq!(client(&[(&X_FORWARDED_FOR, value)]), wanted, "{value}");
        }
        let twice = [
            (&X_FORWARDED_FOR, "198.51.100.1"),
            (&X_FORWARDED_FOR, "192.0.2.1"),
        ];
        assert_eq!(client(&twice), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (value, wanted) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:80\"; proto=https;by=10.0.0.1", "192.0.2.1"),
            ("proto=https;for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=198.51.100.1, for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
            // What a client wrote before it changes nothing.
            ("for=\"198.51.100.1, for=192.0.2.1", "192.0.2.1"),
            ("for=\"a\\\"b,c\", for=192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1, for=\"x, for=192.0.2.2\"", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(client(&[(&FORWARDED, value)]), wanted, "{value}");
        }
    }

    #[test]
    fn headers_that_disagree_name_nobody() {
        let both = |plain| client(&[(&FORWARDED, "for=192.0.2.1"), (&X_FORWARDED_FOR, plain)]);
        assert_eq!(both("192.0.2.1"), "192.0.2.1");
        assert_eq!(both("192.0.2.2"), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let names = ["10.0.0.0/33", "proxy.example", "", "10.0.0.0/8"].map(str::to_owned);
        let wrong = TrustedProxies::parse(&names).expect_err("they are wrong");
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[1].contains("\"proxy.example\" is no network"));
        let trusted = proxies(&["192.0.2.7", "::ffff:192.0.2.8", "fd00::/8"]);
        for (ip, is_trusted) in [
            ("192.0.2.7", true),
            ("192.0.2.8", true),
            ("192.0.2.9", false),
            ("fd12::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(trusted.trusts(address(ip)), is_trusted, "{ip}");
        }
    }
}
