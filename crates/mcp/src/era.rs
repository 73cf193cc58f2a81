//! Which revision a request is served by (2026-07-28, basic/versioning).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::WholeNumber;
use wasimancer_runtime::{Budget, Full, Severity, SeverityError, charge_json};

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::optional::is_empty_list;
use crate::params::Params;
use crate::revision::{MODERN_VERSION, Revision, legacy};
use crate::text::Text;

/// The key of the version in a request's `_meta`.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// The key of the client's capabilities in a request's `_meta`.
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// The key of the least severe log messages that a client wants, in a request's `_meta`.
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";

/// What a request says of its revision.
pub(crate) struct Declared<'a> {
    /// The header `MCP-Protocol-Version`.
    pub(crate) header: Option<&'a str>,
    /// `_meta` of the params.
    pub(crate) meta: Option<&'a Meta<'a>>,
    /// The revision that the request's session negotiated.
    pub(crate) session: Option<&'static str>,
}

/// The protocol fields of a request's `_meta`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meta<'a> {
    #[serde(
        borrow,
        rename = "io.modelcontextprotocol/protocolVersion",
        deserialize_with = "version"
    )]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

/// A version that is a string; any other is as good as none.
fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Text::of)
}

impl<'a> Meta<'a> {
    /// Reads `_meta` of a request's params, if there is one.
    pub(crate) fn of(params: &Params<'a>) -> Option<Self> {
        let object = params.meta.filter(|meta| meta.get().starts_with('{'))?;
        serde_json::from_str(object.get()).ok()
    }

    /// What the client can do, as far as it says so.
    pub(crate) fn capabilities(&self, budget: &Budget) -> Result<Capabilities, Full> {
        match self.capabilities.map(RawValue::get) {
            None | Some("{}") => Ok(Capabilities::default()),
            Some(declared) => {
                let _values = charge_json(declared, budget)?;
                let declared: Value = serde_json::from_str(declared).unwrap_or_default();
                Ok(Capabilities::of(&declared))
            }
        }
    }

    /// The least severe log messages that the client wants to hear.
    pub(crate) fn log_level(&self) -> Result<Option<Severity>, Error> {
        let Some(level) = self.log_level else {
            return Ok(None);
        };
        let severity = Text::of(level).map_or_else(
            || Err("must be a string".to_owned()),
            |name| {
                name.parse()
                    .map_err(|error: SeverityError| error.to_string())
            },
        );
        severity
            .map(Some)
            .map_err(|what| Error::InvalidParams(format!("_meta[{LOG_LEVEL_KEY:?}] {what}")))
    }

    /// What reports of progress are to name: a string or an integer, as JSON.
    pub(crate) fn progress_token(&self) -> Result<Option<Box<str>>, Error> {
        let Some(token) = self.progress_token else {
            return Ok(None);
        };
        if let Some(whole) = WholeNumber::of(token.get()) {
            return Ok(Some(whole.as_str().into()));
        }
        match serde_json::from_str(token.get()) {
            Ok(Value::Number(number)) if number.is_f64() => Err(wrong_token()),
            Ok(token @ (Value::String(_) | Value::Number(_))) => Ok(Some(token.to_string().into())),
            _ => Err(wrong_token()),
        }
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

fn wrong_token() -> Error {
    Error::InvalidParams("`_meta.progressToken` must be a string or an integer".to_owned())
}

/// Decides the revision of a request.
pub(crate) fn decide(declared: &Declared<'_>) -> Result<Revision, Error> {
    let in_meta = declared.meta.and_then(Meta::version);
    match (declared.header, in_meta) {
        (Some(header), Some(meta)) if header != meta => Err(Error::HeaderMismatch(format!(
            "the MCP-Protocol-Version header is {header:?} and _meta says {meta:?}"
        ))),
        (None, Some(_)) => Err(Error::HeaderMismatch(
            "the MCP-Protocol-Version header is missing; it must repeat the version of _meta"
                .to_owned(),
        )),
        // Also what no request can name without the session that it was agreed to in.
        (Some(version), _) => match declared.session {
            Some(agreed) if agreed == version => Ok(Revision::Legacy(agreed)),
            _ => named(version),
        },
        (None, None) => Ok(declared.session.map_or(Revision::Unnamed, Revision::Legacy)),
    }
}

fn named(version: &str) -> Result<Revision, Error> {
    if version == MODERN_VERSION {
        return Ok(Revision::Modern);
    }
    legacy(version)
        .map(Revision::Legacy)
        .ok_or_else(|| Error::UnsupportedVersion {
            requested: version.to_owned(),
        })
}

/// Holds a request of the modern revision against the fields that its `_meta` must have.
pub(crate) fn check_meta(meta: Option<&Meta<'_>>) -> Result<(), Error> {
    let missing = |key: &str, wanted: &str| {
        Err(Error::InvalidMeta(format!(
            "_meta[{key:?}] is missing or malformed: it must be {wanted}"
        )))
    };
    if meta.and_then(Meta::version).is_none() {
        return missing(VERSION_KEY, "a string, such as \"2026-07-28\"");
    }
    let capabilities = meta.and_then(|meta| meta.capabilities);
    let is_object = |raw: &RawValue| raw.get().starts_with('{') || is_empty_list(raw);
    if !capabilities.is_some_and(is_object) {
        return missing(CAPABILITIES_KEY, "an object, which may be empty");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::Era;

    fn decided(
        header: Option<&str>,
        meta: Option<&str>,
        session: Option<&'static str>,
    ) -> Result<Revision, i32> {
        let meta = meta.map(|version| Meta {
            version: Some(version.into()),
            ..Meta::default()
        });
        decide(&Declared {
            header,
            meta: meta.as_ref(),
            session,
        })
        .map_err(|error| error.code(Era::Modern))
    }

    #[test]
    fn the_revision_is_what_the_request_declares() {
        let modern = Some("2026-07-28");
        assert_eq!(decided(modern, modern, None), Ok(Revision::Modern));
        assert_eq!(
            decided(modern, None, None),
            Ok(Revision::Modern),
            "its _meta is checked next"
        );
        assert_eq!(
            decided(Some("2025-06-18"), None, None),
            Ok(Revision::Legacy("2025-06-18"))
        );
        assert_eq!(
            decided(None, None, Some("2025-11-25")),
            Ok(Revision::Legacy("2025-11-25"))
        );
        assert_eq!(decided(None, None, None), Ok(Revision::Unnamed));
        let oldest = Some("2024-11-05");
        for header in [None, oldest] {
            assert_eq!(
                decided(header, None, oldest),
                Ok(Revision::Legacy("2024-11-05"))
            );
        }
    }

    #[test]
    fn the_keys_of_messages_are_those_that_are_read() {
        let text = format!(
            r#"{{"{VERSION_KEY}":"\u0032","{CAPABILITIES_KEY}":{{"roots":{{}}}},"{LOG_LEVEL_KEY}":"error","x":[1]}}"#
        );
        let meta: Meta<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(meta.version(), Some("2"));
        assert_eq!(
            meta.capabilities(&Budget::default()),
            Ok(Capabilities::of(&serde_json::json!({ "roots": {} })))
        );
        assert_eq!(meta.log_level().unwrap(), Some(Severity::Error));
    }

    #[test]
    fn mismatch_comes_before_support() {
        assert_eq!(decided(Some("2026-07-28"), Some("v999"), None), Err(-32020));
        assert_eq!(decided(None, Some("2026-07-28"), None), Err(-32020));
        assert_eq!(decided(Some("v999"), Some("v999"), None), Err(-32022));
        assert_eq!(decided(Some("2024-11-05"), None, None), Err(-32022));
    }
}
