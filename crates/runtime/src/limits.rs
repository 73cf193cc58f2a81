//! What one call may use, with units; the effective limits of a plugin are the stricter of the
//! server's and its own.

use std::time::Duration;

/// Stands for longer durations, which the clock could not add up.
pub(crate) const DURATION_MAX: Duration = Duration::from_hours(365 * 24);
/// Stack of a guest, in bytes: as much as wasmtime's default.
pub(crate) const WASM_STACK_BYTES: usize = 512 * 1024;
/// Bytes in a kibibyte.
const KIB: u64 = 1024;
/// Bytes in a mebibyte.
const MIB: u64 = 1024 * KIB;

/// The limits of one call, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of a call, HTTP requests included. It begins when the call has its place.
    pub timeout: Duration,
    /// Time for which a call keeps threads busy. None: as much as its time limit.
    pub cpu: Option<Duration>,
    /// Bytes of linear memory, Extism memory, variables, and what the host holds for the guest.
    pub memory: u64,
    /// Bytes of input.
    pub input: u64,
    /// Bytes of output.
    pub output: u64,
    /// Bytes of the body of one HTTP response.
    pub http_response: u64,
    /// HTTP requests of one call.
    pub http_requests: u32,
    /// Calls of one plugin that run at once; further ones wait for their turn.
    pub concurrency: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            cpu: None,
            memory: 256 * MIB,
            input: 4 * MIB,
            output: 4 * MIB,
            http_response: 10 * MIB,
            http_requests: 100,
            concurrency: 64,
        }
    }
}

/// Limits as a definition or a configuration file gives them: each one optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsOverride {
    /// See [`Limits::timeout`].
    pub timeout: Option<Duration>,
    /// See [`Limits::cpu`].
    pub cpu: Option<Duration>,
    /// See [`Limits::memory`].
    pub memory: Option<u64>,
    /// See [`Limits::input`].
    pub input: Option<u64>,
    /// See [`Limits::output`].
    pub output: Option<u64>,
    /// See [`Limits::http_response`].
    pub http_response: Option<u64>,
    /// See [`Limits::http_requests`].
    pub http_requests: Option<u32>,
    /// See [`Limits::concurrency`].
    pub concurrency: Option<u32>,
}

impl Limits {
    /// How long a call may keep threads busy. Where nothing else is said, its time limit ends it.
    pub(crate) fn computing(&self) -> Duration {
        self.cpu.unwrap_or(Duration::MAX)
    }

    /// These limits with those of `wanted` in place of its own: how a server's defaults are made.
    #[must_use]
    pub fn replaced_by(&self, wanted: &LimitsOverride) -> Self {
        Self {
            timeout: wanted.timeout.unwrap_or(self.timeout),
            cpu: wanted.cpu.or(self.cpu),
            memory: wanted.memory.unwrap_or(self.memory),
            input: wanted.input.unwrap_or(self.input),
            output: wanted.output.unwrap_or(self.output),
            http_response: wanted.http_response.unwrap_or(self.http_response),
            http_requests: wanted.http_requests.unwrap_or(self.http_requests),
            concurrency: wanted.concurrency.unwrap_or(self.concurrency),
        }
    }

    /// The stricter of these limits and those that a plugin asks for.
    #[must_use]
    pub fn tightened_by(&self, wanted: &LimitsOverride) -> Self {
        let other = self.replaced_by(wanted);
        Self {
            timeout: self.timeout.min(other.timeout),
            cpu: stricter(self.cpu, wanted.cpu),
            memory: self.memory.min(other.memory),
            input: self.input.min(other.input),
            output: self.output.min(other.output),
            http_response: self.http_response.min(other.http_response),
            http_requests: self.http_requests.min(other.http_requests),
            concurrency: self.concurrency.min(other.concurrency),
        }
    }
}

/// The smaller of those that are given.
fn stricter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// A quantity that could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{value}` is no {kind}: write {remedy}")]
pub struct UnitError {
    /// The text.
    pub value: String,
    /// What was wanted: a size or a duration.
    pub kind: &'static str,
    /// An example of what is accepted.
    pub remedy: &'static str,
}

/// Reads a size: `512`, `64KiB`, `256MiB`, `1GiB`, and the decimal `kB`, `MB`, `GB`.
///
/// # Errors
/// When the number or the unit is not one of these.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let units: &[(&str, u64)] = &[
        ("", 1),
        ("B", 1),
        ("kB", 1000),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", KIB),
        ("MiB", MIB),
        ("GiB", 1024 * MIB),
    ];
    quantity(text, units).ok_or_else(|| UnitError {
        value: text.to_owned(),
        kind: "size",
        remedy: "a whole number and a unit, such as 256MiB, 64KiB or 1GB",
    })
}

/// Reads a duration: `250ms`, `30s`, `5m`, `1h`.
///
/// # Errors
/// When the number or the unit is not one of these, or when it is zero.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let units: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    quantity(text, units)
        .filter(|milliseconds| *milliseconds > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| UnitError {
            value: text.to_owned(),
            kind: "duration",
            remedy: "a whole number above 0 and a unit, such as 30s, 250ms or 5m",
        })
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_carry_units() {
        assert_eq!(parse_size("256MiB"), Ok(256 * MIB));
        assert_eq!(parse_size("64 KiB"), Ok(64 * KIB));
        assert_eq!(parse_size("12"), Ok(12));
        assert_eq!(parse_size("2MB"), Ok(2_000_000));
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in [
            "",
            "MiB",
            "12 parsecs",
            "-3s",
            "1.5GiB",
            "99999999999999GiB",
        ] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert!(parse_duration("30").is_err(), "a duration needs its unit");
        assert!(parse_duration("0s").is_err());
    }

    #[test]
    fn a_plugin_can_tighten_but_not_widen() {
        let server = Limits::default();
        let wanted = LimitsOverride {
            timeout: Some(Duration::from_mins(5)),
            memory: Some(MIB),
            ..LimitsOverride::default()
        };
        let effective = server.tightened_by(&wanted);
        assert_eq!(effective.timeout, server.timeout);
        assert_eq!(effective.memory, MIB);
        assert_eq!(effective.input, server.input);
    }
}
