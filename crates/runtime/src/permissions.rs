//! Which hosts a plugin may reach. The default is none.
//!
//! A host must be named, and the address that it resolves to must be public unless that address
//! is named as well, so a name under somebody else's control cannot lead into the local network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::credentials::without_credentials;

/// What a plugin may do outside its sandbox.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// The hosts that `http_request` may reach.
    pub network: Vec<HostRule>,
}

/// One entry of `permissions.network`: `api.example.com`, `*.example.org`, `*`, `10.0.0.5`,
/// `10.0.0.0/8` or `[::1]`, each with an optional `:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Every public host, which the machine itself is not.
    Any,
    /// This host alone.
    Name(String),
    /// Every host below this one, which is kept with its leading dot.
    Below(String),
    /// These addresses, private ones included.
    Network(IpNet),
}

/// An entry that names no host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` names no host: write a name (api.example.com), a name with a wildcard in front (*.example.org), an address or a network (10.0.0.0/8), with an optional :port and no scheme or path"
)]
pub struct HostRuleError(String);

impl FromStr for HostRule {
    type Err = HostRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // It may be a whole URL, with a password in it.
        let wrong = || HostRuleError(without_credentials(text).into_owned());
        let (host, port) = split_port(text.trim()).ok_or_else(wrong)?;
        let pattern = if host == "*" {
            Pattern::Any
        } else if let Some(network) = network(host) {
            Pattern::Network(network)
        } else {
            let (below, name) = match host.strip_prefix("*.") {
                Some(rest) => (true, rest),
                None => (false, host),
            };
            if !is_host_name(name) {
                return Err(wrong());
            }
            let name = name.to_ascii_lowercase();
            if below {
                Pattern::Below(format!(".{name}"))
            } else {
                Pattern::Name(name)
            }
        };
        Ok(Self { pattern, port })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Pattern::Any => out.write_str("*")?,
            Pattern::Name(name) => out.write_str(name)?,
            Pattern::Below(suffix) => write!(out, "*{suffix}")?,
            Pattern::Network(network) if self.port.is_some() => write!(out, "[{network}]")?,
            Pattern::Network(network) => write!(out, "{network}")?,
        }
        self.port.map_or(Ok(()), |port| write!(out, ":{port}"))
    }
}

/// Splits `host:port`; an address with colons of its own needs brackets to have a port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if rest.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

fn network(host: &str) -> Option<IpNet> {
    host.parse::<IpNet>()
        .ok()
        .or_else(|| host.parse::<IpAddr>().ok().map(IpNet::from))
}

fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

impl Permissions {
    /// Whether the host of a URL is named, by name or by address.
    pub(crate) fn names_host(&self, host: &str, port: u16) -> bool {
        self.rules_naming(host)
            .any(|rule| rule.port.is_none_or(|wanted| wanted == port))
    }

    /// Whether a wildcard names hosts without number.
    pub(crate) fn has_wildcard(&self) -> bool {
        let is_wildcard =
            |rule: &HostRule| matches!(rule.pattern, Pattern::Any | Pattern::Below(_));
        self.network.iter().any(is_wildcard)
    }

    /// Whether every public host is named, and this one would be if it were one: what whoever wrote `*`
    /// would hardly guess.
    pub(crate) fn is_private_beside_any(&self, host: &str) -> bool {
        let any = self.network.iter().any(|rule| rule.pattern == Pattern::Any);
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        any && (is_localhost(host) || address.is_some_and(|address| !is_public(address)))
    }

    /// Whether a connection may go to this address, once its host was found to be named.
    ///
    /// `localhost`, named as such, stands for the loopback addresses. The port is not known where
    /// names are resolved, so a rule with a port opens an address only for hosts that are named
    /// for this port alone.
    pub(crate) fn allows_address(&self, host: &str, address: IpAddr) -> bool {
        if is_public(address) {
            return true;
        }
        let loopback_by_name = address.is_loopback() && is_localhost(host);
        self.network.iter().any(|rule| {
            let opens = match &rule.pattern {
                Pattern::Network(network) => network.contains(&address),
                Pattern::Name(name) => loopback_by_name && is_localhost(name),
                Pattern::Any | Pattern::Below(_) => false,
            };
            opens
                && (rule.port.is_none()
                    || self.rules_naming(host).all(|other| other.port == rule.port))
        })
    }

    fn rules_naming(&self, host: &str) -> impl Iterator<Item = &HostRule> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        self.network
            .iter()
            .filter(move |rule| match (&rule.pattern, address) {
                (Pattern::Any, Some(address)) => is_public(address),
                (Pattern::Any, None) => !is_localhost(&host),
                (Pattern::Network(network), Some(address)) => network.contains(&address),
                (Pattern::Name(name), None) => *name == host,
                (Pattern::Below(suffix), None) => host.ends_with(suffix.as_str()),
                (Pattern::Network(_), None) | (Pattern::Name(_) | Pattern::Below(_), Some(_)) => {
                    false
                }
            })
    }
}

fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
}

/// Whether an address is reachable from anywhere: not private, loopback, link-local, multicast,
/// documentation or otherwise special (RFC 6890 and its registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        // The metadata service of a large cloud, at a public address that only its machines reach.
        || address == Ipv4Addr::new(168, 63, 129, 16)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    // Addresses that carry an IPv4 address are judged by it: mapped, NAT64 and 6to4.
    if segments[..5] == [0; 5] && (segments[5] == 0xffff || segments[5] == 0)
        || segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
    {
        return embedded(segments[6], segments[7]);
    }
    if segments[0] == 0x2002 {
        return embedded(segments[1], segments[2]);
    }
    // Global unicast is 2000::/3; Teredo, ORCHID and documentation lie inside it.
    (segments[0] & 0xe000) == 0x2000
        && !(segments[0] == 0x2001 && segments[1] < 0x0200)
        && !(segments[0] == 0x2001 && segments[1] == 0x0db8)
        && !(segments[0] == 0x3fff && segments[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(rules: &[&str]) -> Permissions {
        Permissions {
            network: rules.iter().map(|rule| rule.parse().expect(rule)).collect(),
        }
    }

    #[test]
    fn nothing_is_named_by_default() {
        assert!(!Permissions::default().names_host("example.com", 443));
    }

    #[test]
    fn names_wildcards_ports_and_networks() {
        let p = permissions(&[
            "api.example.com",
            "*.example.org",
            "10.0.0.0/8",
            "db.local:5432",
        ]);
        assert!(p.names_host("api.example.com", 443));
        assert!(p.names_host("API.Example.Com.", 443));
        assert!(!p.names_host("example.com", 443));
        assert!(!p.names_host("evil-api.example.com", 443));
        assert!(p.names_host("a.b.example.org", 80));
        assert!(
            !p.names_host("example.org", 80),
            "a wildcard names what is below"
        );
        assert!(!p.names_host("evilexample.org", 80));
        assert!(p.names_host("10.1.2.3", 80));
        assert!(!p.names_host("11.1.2.3", 80));
        assert!(p.names_host("db.local", 5432));
        assert!(!p.names_host("db.local", 80));
    }

    #[test]
    fn private_addresses_must_be_named() {
        let p = permissions(&["api.example.com", "10.0.0.5"]);
        let host = "api.example.com";
        assert!(p.allows_address(host, "93.184.216.34".parse().unwrap()));
        assert!(p.allows_address(host, "10.0.0.5".parse().unwrap()));
        for private in [
            "10.0.0.6",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "172.20.0.1",
            "0.0.0.0",
            "100.64.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(
                !p.allows_address(host, private.parse().unwrap()),
                "{private}"
            );
        }
        assert!(p.allows_address(host, "2606:2800:220:1::1".parse().unwrap()));
        assert!(!permissions(&["*"]).names_host("127.0.0.1", 80));
        assert!(!permissions(&["*"]).allows_address("localhost", "127.0.0.1".parse().unwrap()));
        assert!(permissions(&["localhost"]).allows_address("localhost", "::1".parse().unwrap()));
        assert!(!permissions(&["localhost"]).allows_address("evil.com", "::1".parse().unwrap()));
    }

    #[test]
    fn an_address_named_for_one_port_is_open_on_no_other() {
        let loopback = "127.0.0.1".parse().unwrap();
        let p = permissions(&["*", "127.0.0.1:8080"]);
        assert!(p.names_host("127.0.0.1", 8080));
        assert!(!p.names_host("127.0.0.1", 80));
        assert!(
            !p.allows_address("evil.com", loopback),
            "its port may be any"
        );
        let p = permissions(&["*", "localhost:8080"]);
        assert!(p.names_host("localhost", 8080) && p.allows_address("localhost", loopback));
        assert!(
            !p.names_host("localhost", 80),
            "the wildcard does not name the machine itself"
        );
        let p = permissions(&["db.local:5432", "10.0.0.5:5432"]);
        assert!(p.names_host("db.local", 5432));
        assert!(p.allows_address("db.local", "10.0.0.5".parse().unwrap()));
    }

    #[test]
    fn a_rule_that_names_no_host_is_refused() {
        for wrong in [
            "",
            "https://a.com",
            "a.com/x",
            "a b",
            "*.*.com",
            "a.com:http",
            "a..b",
            "*x.com",
        ] {
            assert!(wrong.parse::<HostRule>().is_err(), "{wrong}");
        }
        for right in [
            "a.com:8080",
            "*.a.com",
            "::1",
            "[::1]:80",
            "10.0.0.0/8",
            "*",
        ] {
            let rule: HostRule = right.parse().expect(right);
            assert_eq!(rule.to_string().parse::<HostRule>(), Ok(rule), "{right}");
        }
    }
}
