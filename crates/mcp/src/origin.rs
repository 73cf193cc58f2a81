//! Which `Host` and `Origin` a request may name, against DNS rebinding.

use std::net::IpAddr;
use std::str::FromStr;

use wasimancer_runtime::without_credentials;

/// Hosts that requests may name: in the `Host` header, and in the `Origin` of a web page.
#[derive(Clone, Debug)]
pub struct AllowedNames {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    /// Every address, as a host alone: DNS rebinding needs a name.
    AnyAddress,
    /// `host`, `host:port` or, for origins, `scheme://host:port`; lower case.
    Exact(String),
}

/// An entry that names nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` names no host: write a host (example.com), a host and port (example.com:3001), an origin (https://example.com) or *"
)]
pub struct AllowedNamesError(String);

impl AllowedNames {
    /// The names of this machine's loopback addresses, with any port.
    #[must_use]
    pub fn loopback() -> Self {
        let exact = |name: &str| Rule::Exact(name.to_owned());
        Self {
            rules: ["localhost", "127.0.0.1", "[::1]"].map(exact).to_vec(),
        }
    }

    /// These names besides the loopback ones; `*` is every name.
    ///
    /// # Errors
    /// When an entry names nothing.
    pub fn with<'t>(names: impl IntoIterator<Item = &'t str>) -> Result<Self, AllowedNamesError> {
        let mut allowed = Self::loopback();
        for name in names {
            allowed.rules.push(name.parse()?);
        }
        Ok(allowed)
    }

    /// These names and the address that the server listens on; every address where it listens on
    /// all of the machine's.
    #[must_use]
    pub fn and_address(mut self, address: IpAddr) -> Self {
        self.rules.push(match address {
            _ if address.is_unspecified() => Rule::AnyAddress,
            IpAddr::V4(address) => Rule::Exact(address.to_string()),
            IpAddr::V6(address) => Rule::Exact(format!("[{address}]")),
        });
        self
    }

    /// Whether a `Host` header is allowed.
    pub(crate) fn allows_host(&self, host: &str) -> bool {
        let bare = without_port(host);
        self.rules.iter().any(|rule| match rule {
            Rule::Any => true,
            Rule::AnyAddress => bare.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
            Rule::Exact(name) => name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(bare),
        })
    }

    /// Whether an `Origin` header is allowed: by itself, or by its host.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let host = origin.split_once("://").map(|(_, host)| host);
        self.rules.iter().any(|rule| match rule {
            Rule::Any => true,
            Rule::AnyAddress => false,
            Rule::Exact(name) => {
                *name == origin
                    || host.is_some_and(|host| name == host || name == without_port(host))
            }
        })
    }
}

impl FromStr for Rule {
    type Err = AllowedNamesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let host = text.split_once("://").map_or(text, |(_, host)| host);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(plain) {
            // It may be a whole URL, with a password in it.
            return Err(AllowedNamesError(without_credentials(text).into_owned()));
        }
        Ok(Self::Exact(text.to_ascii_lowercase()))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !bare.ends_with(':') =>
        {
            bare
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_the_default() {
        let names = AllowedNames::loopback();
        for host in [
            "localhost",
            "localhost:3001",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:3001",
            "LOCALHOST:1",
        ] {
            assert!(names.allows_host(host), "{host}");
        }
        for host in [
            "evil.example.com",
            "localhost.evil.com",
            "127.0.0.1.evil.com:80",
            "",
            "::1:x",
        ] {
            assert!(!names.allows_host(host), "{host}");
        }
        assert!(names.allows_origin("http://localhost:8080"));
        assert!(names.allows_origin("http://[::1]:8080"));
        for origin in [
            "https://evil.com",
            "null",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
        ] {
            assert!(!names.allows_origin(origin), "{origin}");
        }
    }

    #[test]
    fn the_address_that_is_listened_on_is_a_host_and_no_origin() {
        let one = AllowedNames::loopback().and_address("10.0.0.5".parse().unwrap());
        assert!(one.allows_host("10.0.0.5:3001"));
        assert!(!one.allows_host("10.0.0.6:3001"));
        let all = AllowedNames::loopback().and_address("0.0.0.0".parse().unwrap());
        for host in ["0.0.0.0:3001", "10.0.0.6", "[fe80::1]:80", "localhost"] {
            assert!(all.allows_host(host), "{host}");
        }
        assert!(!all.allows_host("evil.example.com"));
        assert!(!all.allows_origin("http://10.0.0.6"));
    }

    #[test]
    fn more_names_can_be_allowed() {
        let names = AllowedNames::with([
            "tools.example.com",
            "api.example.com:8443",
            "https://app.example.com",
        ])
        .unwrap();
        assert!(names.allows_host("tools.example.com:3001"));
        assert!(names.allows_host("api.example.com:8443"));
        assert!(!names.allows_host("api.example.com:1"));
        assert!(names.allows_origin("https://app.example.com"));
        assert!(!names.allows_origin("http://app.example.com"));
        assert!(AllowedNames::with(["*"]).unwrap().allows_host("anything"));
        assert!(AllowedNames::with(["a b"]).is_err());
    }
}
