//! HTTP requests of guests: only to hosts that are named, only to addresses that are allowed.
//!
//! The address is checked after resolution, on the very addresses that the connection then uses,
//! and every hop of a redirect is checked like a request of its own.

mod redirect;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RANGE,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, Url};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::outbound_proxy::OutboundProxy;
use crate::permissions::Permissions;
use crate::resolver::Resolver;

/// Most redirects that one request follows.
const REDIRECTS_MAX: usize = 5;
/// Time to connect, name resolution and TLS included; the call's own deadline may be nearer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most idle connections that are kept for each host that is named.
const IDLE_MAX: usize = 8;
/// How long an idle connection is kept for the plugin's next call.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of a request's description: more than servers take of headers.
const DESCRIPTION_MAX_BYTES: usize = 64 * 1024;
/// What a request says that it comes from, unless its plugin does: many services refuse requests of nobody.
const USER_AGENT: &str = concat!("wasimancer/", env!("CARGO_PKG_VERSION"));
/// Methods whose requests have a body, if only an empty one, whose length some services insist on.
const WITH_BODY: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];
/// Headers that belong to the connection, not to the guest.
const RESERVED_HEADERS: [HeaderName; 6] = [
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request as the guest describes it, in the JSON of the Extism ABI.
#[derive(Deserialize)]
struct Wanted {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<String>>>,
}

/// A checked request, without its body.
pub(crate) struct Request {
    url: Url,
    method: Method,
    headers: HeaderMap,
}

impl Request {
    /// Reads the guest's description: `{"url": …, "method": …, "headers": {…}}`.
    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        let failed = |reason: String| Error::Http { reason };
        if json.len() > DESCRIPTION_MAX_BYTES {
            return Err(failed(format!(
                "the description of the request has more than {DESCRIPTION_MAX_BYTES} bytes"
            )));
        }
        let wanted: Wanted = serde_json::from_slice(json).map_err(|error| {
            failed(format!(
                "the description of the request is malformed: {error}"
            ))
        })?;
        let url = Url::parse(&wanted.url)
            .map_err(|error| failed(format!("the URL is malformed: {error}")))?;
        check_scheme(&url)?;
        let method = wanted.method.filter(|method| !method.is_empty());
        let method = method.map_or(Ok(Method::GET), |method| {
            Method::from_bytes(method.to_uppercase().as_bytes())
                .map_err(|_| failed("the method is no HTTP method".to_owned()))
        })?;
        let mut headers = HeaderMap::new();
        for (name, value) in wanted.headers.unwrap_or_default() {
            let Some(value) = value else { continue };
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| failed(format!("`{name}` is no header name")))?;
            let value = HeaderValue::from_str(&value)
                .map_err(|_| failed(format!("the value of the header `{name}` is not allowed")))?;
            if !RESERVED_HEADERS.contains(&header) {
                headers
                    .try_append(header, value)
                    .map_err(|_| failed("there are too many headers".to_owned()))?;
            }
        }
        Ok(Self {
            url,
            method,
            headers,
        })
    }
}

/// Status and headers of a response.
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// A JSON object of the header names in lower case and their values.
    pub(crate) headers_json: String,
}

/// A whole response.
pub(crate) struct Response {
    pub(crate) head: ResponseHead,
    pub(crate) body: Vec<u8>,
}

/// The HTTP client of one plugin.
pub(crate) struct Outbound {
    client: reqwest::Client,
    permissions: Arc<Permissions>,
    response_max_bytes: u64,
    names: Arc<Names>,
    proxy: Option<OutboundProxy>,
}

impl Outbound {
    pub(crate) fn new(
        permissions: Permissions,
        response_max_bytes: u64,
        proxy: Option<OutboundProxy>,
    ) -> Result<Self, String> {
        let permissions = Arc::new(permissions);
        let names = Arc::new(Names {
            permissions: permissions.clone(),
            resolver: Resolver::new(),
        });
        let failed =
            |error: reqwest::Error| format!("no client could be made: {}", innermost(&error));
        // No proxy of the environment's: it would resolve names itself, out of reach of the address check.
        let mut builder = reqwest::Client::builder().no_proxy();
        if let Some(proxy) = &proxy {
            let through = reqwest::Proxy::all(proxy.url.clone());
            builder = builder.proxy(through.map_err(failed)?);
        }
        let client = builder
            .user_agent(USER_AGENT)
            // Beside those of the system, where there may be none.
            .tls_certs_merge(built_in_certificates())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // One idle connection each to hosts without number would take every descriptor.
            .pool_max_idle_per_host(if permissions.has_wildcard() {
                0
            } else {
                IDLE_MAX
            })
            .dns_resolver(Arc::new(ClientResolver {
                names: names.clone(),
                // The only name that is looked up is the proxy's own.
                is_checked: proxy.is_none(),
            }))
            // They are followed here, since the library takes all but a few headers everywhere.
            .redirect(Policy::none())
            .build()
            .map_err(failed)?;
        Ok(Self {
            client,
            permissions,
            response_max_bytes,
            names,
            proxy,
        })
    }

    /// Sends a request and reads the whole response within its limit. `hold` is told of every byte
    /// that is kept of it, and may refuse.
    pub(crate) async fn send(
        &self,
        request: Request,
        body: Option<Vec<u8>>,
        mut hold: impl FnMut(usize) -> Result<()>,
    ) -> Result<Response> {
        let mut headers = request.headers;
        if body.is_none() && WITH_BODY.contains(&request.method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if headers.contains_key(RANGE) && !headers.contains_key(ACCEPT_ENCODING) {
            // A part of what is compressed cannot be decoded.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let mut builder = self
            .client
            .request(request.method, request.url)
            .headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let mut response = self.follow(builder.build().map_err(into_error)?).await?;
        let headers_json = headers_json(response.headers());
        hold(headers_json.len())?;
        let head = ResponseHead {
            status: response.status().as_u16(),
            headers_json,
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(into_error)? {
            if (body.len() + chunk.len()) as u64 > self.response_max_bytes {
                return Err(Error::Http {
                    reason: format!(
                        "the response has more than {} bytes",
                        self.response_max_bytes
                    ),
                });
            }
            hold(chunk.len())?;
            body.extend_from_slice(&chunk);
        }
        Ok(Response { head, body })
    }

    /// Sends a request to where it is redirected to in the end. Each hop must be named like the first.
    async fn follow(&self, mut request: reqwest::Request) -> Result<reqwest::Response> {
        for _ in 0..=REDIRECTS_MAX {
            check_url(&self.permissions, request.url())?;
            self.check_addresses(request.url()).await?;
            // A body is bytes that are shared.
            let sent = request.try_clone();
            let response = self.client.execute(request).await.map_err(into_error)?;
            match sent.and_then(|sent| redirect::next(sent, &response)) {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(Error::Http {
            reason: format!("more than {REDIRECTS_MAX} redirects"),
        })
    }
}

impl Outbound {
    /// Holds the addresses of a name against the permissions where a proxy connects to them, and not the
    /// client. The proxy resolves the name once more, and may find others.
    async fn check_addresses(&self, url: &Url) -> Result<()> {
        let is_checked = self.proxy.as_ref().is_some_and(|proxy| !proxy.resolves);
        let Some(host) = url.domain().filter(|_| is_checked) else {
            return Ok(());
        };
        self.names.allowed(host).await.map(|_| ())
    }
}

/// The certificates of the authorities that Mozilla trusts.
fn built_in_certificates() -> impl Iterator<Item = Certificate> {
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    all.filter_map(|certificate| Certificate::from_der(certificate).ok())
}

fn check_scheme(url: &Url) -> Result<()> {
    match url.scheme() {
        "http" | "https" => Ok(()),
        other => Err(Error::Http {
            reason: format!("the scheme `{other}` is neither http nor https"),
        }),
    }
}

/// Whether a URL's host is named; an address in a URL is never resolved, so it is checked here.
fn check_url(permissions: &Permissions, url: &Url) -> Result<()> {
    check_scheme(url)?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    if permissions.names_host(host, port) {
        return Ok(());
    }
    Err(Error::DeniedHost {
        host: host.to_owned(),
        reason: if permissions.is_private_beside_any(host) {
            "`*` names public hosts alone; name this one itself in the plugin's permissions.network or in WASIMANCER_ALLOWED_HOSTS"
        } else {
            "name it in the plugin's permissions.network or in WASIMANCER_ALLOWED_HOSTS"
        },
    })
}

/// Resolves names for one plugin.
struct Names {
    permissions: Arc<Permissions>,
    resolver: Resolver,
}

impl Names {
    /// The addresses of a name that the plugin may reach.
    async fn allowed(&self, host: &str) -> Result<Vec<SocketAddr>> {
        let all = self.all(host).await?;
        let found = all.first().map(SocketAddr::ip);
        let allowed: Vec<SocketAddr> = all
            .into_iter()
            .filter(|address| self.permissions.allows_address(host, address.ip()))
            .collect();
        match found {
            Some(address) if allowed.is_empty() => Err(denied_address(host, address)),
            _ => Ok(allowed),
        }
    }

    async fn all(&self, host: &str) -> Result<Vec<SocketAddr>> {
        let found = self.resolver.look_up(host.to_owned()).await;
        found.map_err(|error| Error::Http {
            reason: error.to_string(),
        })
    }
}

/// Resolves the names that the client connects to.
struct ClientResolver {
    names: Arc<Names>,
    /// Whether they are those that the plugin asked for.
    is_checked: bool,
}

impl Resolve for ClientResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, is_checked) = (self.names.clone(), self.is_checked);
        Box::pin(async move {
            let found = if is_checked {
                names.allowed(name.as_str()).await
            } else {
                names.all(name.as_str()).await
            };
            Ok(Box::new(found?.into_iter()) as Addrs)
        })
    }
}

fn denied_address(host: &str, address: IpAddr) -> Error {
    Error::DeniedHost {
        host: format!("{host} ({address})"),
        reason: "the address is not public, and a name or `*` covers public ones alone; name the address itself in permissions.network",
    }
}

/// Finds this crate's own error inside the client's, or says what failed innermost. The URL is
/// left out, since it may carry a secret.
fn into_error(error: reqwest::Error) -> Error {
    let mut source: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = source {
        if let Some(own) = current.downcast_ref::<Error>() {
            return own.clone();
        }
        source = current.source();
    }
    Error::Http {
        reason: innermost(&error.without_url()),
    }
}

fn innermost(error: &dyn StdError) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn headers_json(headers: &HeaderMap) -> String {
    let mut all: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        all.entry(name.as_str())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    serde_json::to_string(&all).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_fields_mean_none() {
        for json in [
            r#"{"url":"https://example.com/"}"#,
            r#"{"url":"https://example.com/","headers":null,"method":null}"#,
            r#"{"url":"https://example.com/","headers":{"x-a":null},"method":""}"#,
        ] {
            let request = Request::parse(json.as_bytes()).expect(json);
            assert_eq!(request.method, Method::GET);
            assert!(request.headers.is_empty());
        }
    }

    #[test]
    fn headers_of_the_connection_are_not_the_guests() {
        let json =
            r#"{"url":"http://a.com","method":"post","headers":{"Host":"b.com","X-Key":"1"}}"#;
        let request = Request::parse(json.as_bytes()).unwrap();
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.headers.len(), 1);
    }

    /// The host may be named and the address that it resolves to still be denied.
    #[tokio::test]
    async fn the_resolved_address_is_checked() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let named = Permissions {
            network: vec!["*".parse().unwrap()],
        };
        let outbound = Outbound::new(named, 1, None).unwrap();
        let ended = outbound.client.get("http://localhost:1/").send().await;
        match into_error(ended.unwrap_err()) {
            Error::DeniedHost { host, .. } => assert!(host.starts_with("localhost ("), "{host}"),
            other => panic!("{other:?}"),
        }
    }

    /// So is that of a name which a proxy is to connect to.
    #[tokio::test]
    async fn the_resolved_address_is_checked_before_a_proxy_is_asked() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let named = Permissions {
            network: vec!["*".parse().unwrap()],
        };
        let proxy: OutboundProxy = "http://127.0.0.1:1".parse().unwrap();
        let url = Url::parse("http://localhost/").unwrap();
        for (resolves, is_denied) in [(false, true), (true, false)] {
            let proxy = OutboundProxy {
                resolves,
                ..proxy.clone()
            };
            let outbound = Outbound::new(named.clone(), 1, Some(proxy)).unwrap();
            let checked = outbound.check_addresses(&url).await;
            let denied = matches!(checked, Err(Error::DeniedHost { .. }));
            assert_eq!(denied, is_denied, "{checked:?}");
        }
    }

    #[test]
    fn malformed_requests_are_refused() {
        for json in [
            "{}",
            "not json",
            r#"{"url":"file:///etc/passwd"}"#,
            r#"{"url":"/relative"}"#,
            r#"{"url":"http://a.com","method":"BAD METHOD"}"#,
            r#"{"url":"http://a.com","headers":{"bad name":"x"}}"#,
            r#"{"url":"http://a.com","headers":{"x":"a\r\nb: c"}}"#,
        ] {
            assert!(Request::parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
