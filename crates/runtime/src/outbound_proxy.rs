//! The proxy that requests of guests go through.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use crate::credentials::without_credentials;

/// A proxy for the HTTP requests of plugins. It is asked by HTTP or HTTPS; for targets with TLS it makes a tunnel.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundProxy {
    pub(crate) url: Url,
    /// Whether names of hosts are left for it to resolve, so that nobody here knows which addresses they have.
    pub resolves: bool,
}

/// A text that names no proxy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} names no proxy: write a URL such as http://proxy.example:3128, with http or https and no path"
)]
pub struct OutboundProxyError(String);

impl FromStr for OutboundProxy {
    type Err = OutboundProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || OutboundProxyError(without_credentials(text).into_owned());
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let is_plain = matches!(url.path(), "" | "/") && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !is_plain {
            return Err(wrong());
        }
        Ok(Self {
            url,
            resolves: false,
        })
    }
}

/// Without its name and password.
impl fmt::Debug for OutboundProxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OutboundProxy")
            .field("url", &without_credentials(self.url.as_str()))
            .field("resolves", &self.resolves)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_and_its_password_is_not_shown() {
        for right in [
            "http://proxy:3128",
            "https://p.example/",
            " http://u:secret@10.0.0.1:8080 ",
        ] {
            let proxy: OutboundProxy = right.parse().expect(right);
            assert!(!format!("{proxy:?}").contains("secret"), "{proxy:?}");
        }
        for wrong in [
            "",
            "proxy:3128",
            "socks5://p",
            "http://",
            "http://p/path",
            "http://u:secret@p/?x",
        ] {
            let error = wrong.parse::<OutboundProxy>().expect_err(wrong).to_string();
            assert!(
                error.contains("names no proxy") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
