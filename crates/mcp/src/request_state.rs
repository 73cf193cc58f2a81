//! The state of a request between its rounds, as it travels through the client (2026-07-28,
//! basic/patterns/mrtr, "Server Requirements").
//!
//! A sealed state can be read and written by nobody else, and opens for the same request of the
//! same caller alone, until it expires. It is not kept from being used twice meanwhile.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{Context, SHA256, digest};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Error;

/// How long a state can be used: people take their time to answer.
const LIFETIME: Duration = Duration::from_mins(30);
/// Bytes of the expiry, seconds since 1970 in big-endian order, before the state.
const EXPIRY_BYTES: usize = 8;

/// Seals and opens states.
pub(crate) struct Seal(LessSafeKey);

/// What a state is bound to: a digest of the request and its caller.
pub(crate) struct Binding([u8; 32]);

impl Binding {
    /// Binds to a method, the name or URI that it is about, its arguments and the caller.
    pub(crate) fn new(
        method: &str,
        name: &str,
        arguments: Option<&RawValue>,
        caller: &[u8],
    ) -> Self {
        let arguments = arguments.map_or("", RawValue::get);
        // Another order of the keys is the same request.
        let arguments = match serde_json::from_str::<Value>(arguments) {
            Ok(mut value) => {
                value.sort_all_objects();
                value.to_string()
            }
            Err(_) => arguments.to_owned(),
        };
        let mut context = Context::new(&SHA256);
        for part in [
            method.as_bytes(),
            name.as_bytes(),
            arguments.as_bytes(),
            caller,
        ] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

impl Seal {
    /// With a key made of a secret; none makes a random one, so that states end with the process.
    /// None is answered where this machine gives no random numbers.
    pub(crate) fn new(secret: Option<&str>) -> Option<Self> {
        let key = match secret {
            Some(secret) => {
                let mut key = [0; 32];
                key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
                key
            }
            None => random()?,
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Seals a state from now on. None is answered where this machine gives no random numbers.
    pub(crate) fn seal(&self, state: &str, binding: &Binding) -> Option<String> {
        self.seal_until(state, binding, now() + LIFETIME.as_secs())
    }

    fn seal_until(&self, state: &str, binding: &Binding, expiry: u64) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = expiry.to_be_bytes().to_vec();
        sealed.extend_from_slice(state.as_bytes());
        let aad = Aad::from(binding.0);
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, aad, &mut sealed)
            .ok()?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens a state that a client has sent.
    pub(crate) fn open(&self, sealed: &str, binding: &Binding) -> Result<String, Error> {
        self.open_at(sealed, binding, now()).ok_or_else(|| {
            Error::InvalidParams(
                "`requestState` is not one that the server gave for this request, or has expired: begin again without it"
                    .to_owned(),
            )
        })
    }

    fn open_at(&self, sealed: &str, binding: &Binding, now: u64) -> Option<String> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(binding.0), sealed)
            .ok()?;
        let (expiry, state) = opened.split_first_chunk::<EXPIRY_BYTES>()?;
        if now > u64::from_be_bytes(*expiry) {
            return None;
        }
        String::from_utf8(state.to_vec()).ok()
    }
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(method: &str, name: &str, arguments: &str, caller: &str) -> Binding {
        let arguments: &RawValue = serde_json::from_str(arguments).unwrap();
        Binding::new(method, name, Some(arguments), caller.as_bytes())
    }

    #[test]
    fn a_state_opens_for_the_same_request_alone() {
        let seal = Seal::new(None).unwrap();
        let own = || binding("tools/call", "book", r#"{"a":1,"b":[2]}"#, "me");
        let sealed = seal.seal("left \u{1f600}", &own()).unwrap();
        assert_eq!(seal.open(&sealed, &own()).unwrap(), "left \u{1f600}");
        let reordered = binding("tools/call", "book", r#"{ "b": [2], "a": 1 }"#, "me");
        assert!(seal.open(&sealed, &reordered).is_ok());
        for other in [
            binding("prompts/get", "book", r#"{"a":1,"b":[2]}"#, "me"),
            binding("tools/call", "books", r#"{"a":1,"b":[2]}"#, "me"),
            binding("tools/call", "book", r#"{"a":1,"b":[3]}"#, "me"),
            binding("tools/call", "book", r#"{"a":1,"b":[2]}"#, "you"),
        ] {
            assert!(seal.open(&sealed, &other).is_err());
        }
        let stranger = Seal::new(None).unwrap();
        assert!(stranger.open(&sealed, &own()).is_err());
        for wrong in [
            "",
            "AAAA",
            &format!("{sealed}A"),
            &format!("{sealed}-TAMPERED"),
            "%",
        ] {
            assert!(seal.open(wrong, &own()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_state_expires() {
        let seal = Seal::new(None).unwrap();
        let own = binding("tools/call", "book", "{}", "");
        let sealed = seal.seal_until("x", &own, 1000).unwrap();
        assert_eq!(seal.open_at(&sealed, &own, 1000).as_deref(), Some("x"));
        assert_eq!(seal.open_at(&sealed, &own, 1001), None);
    }

    #[test]
    fn a_configured_key_outlives_the_process() {
        let own = binding("tools/call", "book", "{}", "");
        let sealed = Seal::new(Some("secret")).unwrap().seal("x", &own).unwrap();
        assert!(
            Seal::new(Some("secret"))
                .unwrap()
                .open(&sealed, &own)
                .is_ok()
        );
        assert!(
            Seal::new(Some("other"))
                .unwrap()
                .open(&sealed, &own)
                .is_err()
        );
    }
}
