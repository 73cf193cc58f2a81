//! Logs, on standard error.
//!
//! Whatever is written there goes through [`crate::log_queue`], so that nobody waits for whoever
//! reads it, and through one escape, so that no text can pass for a line or a colour of the log.

use std::borrow::Cow;
use std::fmt::{Debug, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;

use anyhow::Context;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use wasimancer_runtime::{Escaped, escape, is_misleading};

use crate::config::LogFormat;
use crate::log_queue::LogQueue;

/// Longest line, in bytes before it is escaped; the rest is cut. Lines of the server are shorter but
/// for those that list every problem of a home.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// None where no thread could be had: nothing is written then.
static QUEUE: OnceLock<Option<LogQueue>> = OnceLock::new();

fn queue() -> Option<&'static LogQueue> {
    let start = || LogQueue::start(io::stderr(), tell_dropped).ok();
    QUEUE.get_or_init(start).as_ref()
}

/// An error whatever the filter is, since it tells of what the filter let pass.
fn tell_dropped(lines: u64) {
    tracing::error!("{lines} lines of the log were dropped, since nobody read them");
}

/// Starts logging with a filter such as `info` or `info,wasimancer::plugin=debug`.
pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("{filter:?} is no log filter: write a level such as info, or target=level pairs")
    })?;
    let has_colours = std::io::IsTerminal::is_terminal(&io::stderr());
    let subscriber = subscriber(filter, format, has_colours, |line: &[u8]| {
        if let Some(queue) = queue() {
            queue.push(line);
        }
    });
    tracing::subscriber::set_global_default(subscriber).context("the log was started before")?;
    // The default hook waits for whoever reads standard error.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}

/// Writes lines to standard error as they are, after those of the log.
pub(crate) fn say(lines: &str) {
    if let Some(queue) = queue() {
        queue.push(format!("{lines}\n").as_bytes());
    }
}

/// How many lines were dropped, since nobody read them.
pub(crate) fn dropped_lines() -> u64 {
    queue().map_or(0, LogQueue::dropped_in_all)
}

/// Lets what was written reach its reader, if there is one; the end of the process would lose it.
pub(crate) fn flush() {
    if let Some(queue) = queue() {
        queue.flush();
    }
}

fn subscriber(
    filter: EnvFilter,
    format: LogFormat,
    has_colours: bool,
    take: impl Fn(&[u8]) + Clone + Send + Sync + 'static,
) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would be written to standard error directly.
        .log_internal_errors(false);
    match format {
        LogFormat::Human => {
            let clean = move |line: &str| human(line, has_colours).into_owned();
            let out = Lines { clean, take };
            let builder = builder.with_ansi(has_colours).with_writer(out);
            Box::new(builder.fmt_fields(fields()).finish())
        }
        LogFormat::Json => {
            let out = Lines { clean: json, take };
            let builder = builder.json().flatten_event(true);
            Box::new(builder.with_writer(out).finish())
        }
    }
}

/// Formats fields for people. The library's own formatter lets colours through that a value brings,
/// and nobody can tell them from its own afterwards.
fn fields() -> impl for<'w> FormatFields<'w> {
    let escaped = |out: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let value = Escaped(format_args!("{value:?}"));
        match field.name() {
            "message" => write!(out, "{value}"),
            name => write!(out, "{name}={value}"),
        }
    };
    debug_fn(escaped).delimited(" ")
}

/// Where the formatter writes, one whole line at a time.
#[derive(Clone)]
struct Lines<C, T> {
    clean: C,
    take: T,
}

impl<C: Fn(&str) -> String + Clone, T: Fn(&[u8]) + Clone> MakeWriter<'_> for Lines<C, T> {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl<C: Fn(&str) -> String, T: Fn(&[u8])> Write for Lines<C, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut line = (self.clean)(text.strip_suffix('\n').unwrap_or(&text));
        line.push('\n');
        (self.take)(line.as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line for people. Where there are colours, they are the formatter's own: see [`fields`].
fn human(line: &str, has_colours: bool) -> Cow<'_, str> {
    let end = line.floor_char_boundary(LINE_MAX_BYTES);
    let (line, rest) = line.split_at(end);
    let mut clean = if has_colours {
        let parts = line.split('\u{1b}').map(escape);
        Cow::Owned(parts.collect::<Vec<_>>().join("\u{1b}"))
    } else {
        escape(line)
    };
    if !rest.is_empty() {
        let _ = write!(clean.to_mut(), "… and {} bytes more", rest.len());
    }
    clean
}

/// A line of JSON. Outside its strings there is nothing to escape.
fn json(line: &str) -> String {
    if line.len() > LINE_MAX_BYTES {
        let begins = &line[..line.floor_char_boundary(LINE_MAX_BYTES)];
        let rest = line.len() - begins.len();
        let cut =
            serde_json::json!({ "message": "a line was cut", "begins": begins, "bytesMore": rest });
        return json_escape(&cut.to_string());
    }
    json_escape(line)
}

fn json_escape(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    for c in line.chars() {
        if is_misleading(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(clean, "\\u{unit:04x}");
            }
        } else {
            clean.push(c);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const FOREIGN: &str = "a\nb\r\u{1b}[31m\u{9b}2J\u{7f}\u{85}\u{2028}\u{202e}\tc \u{e9}";

    fn logged(format: LogFormat, has_colours: bool, log: impl FnOnce()) -> String {
        let taken: Arc<Mutex<Vec<u8>>> = Arc::default();
        let out = taken.clone();
        let take = move |line: &[u8]| out.lock().unwrap().extend_from_slice(line);
        let filter = EnvFilter::new("trace");
        let subscriber = subscriber(filter, format, has_colours, take);
        tracing::subscriber::with_default(subscriber, log);
        let taken = taken.lock().unwrap();
        String::from_utf8(taken.clone()).unwrap()
    }

    fn foreign() {
        let error = io::Error::other(FOREIGN);
        tracing::info!(text = FOREIGN, display = %FOREIGN, debug = ?FOREIGN, error = &error as &dyn std::error::Error, "{FOREIGN}");
    }

    #[test]
    fn an_event_is_one_line_whatever_it_repeats() {
        for (format, has_colours) in [
            (LogFormat::Human, false),
            (LogFormat::Human, true),
            (LogFormat::Json, false),
        ] {
            let line = logged(format, has_colours, foreign);
            let line = line.strip_suffix('\n').unwrap();
            let mut misleading = line.chars().filter(|c| is_misleading(*c));
            if has_colours {
                // The formatter's own colours, and no other.
                assert!(misleading.all(|c| c == '\u{1b}'), "{line:?}");
                assert!(!line.contains("\u{1b}[31m"), "{line:?}");
            } else {
                assert_eq!(misleading.next(), None, "{line:?}");
            }
            assert!(line.contains('\u{e9}'), "{line:?}");
        }
    }

    #[test]
    fn what_json_escapes_can_be_read_again() {
        let line = logged(LogFormat::Json, false, foreign);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        for field in ["message", "text", "display"] {
            assert_eq!(json[field], FOREIGN, "{field}");
        }
    }

    #[test]
    fn a_long_line_is_cut_in_its_format() {
        let long = "\0".repeat(100_000);
        let line = logged(LogFormat::Human, false, || tracing::info!(%long));
        assert!(
            line.ends_with("bytes more\n"),
            "{}",
            &line[line.len() - 50..]
        );
        let line = logged(LogFormat::Json, false, || tracing::info!(%long));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["begins"].as_str().unwrap().len(), LINE_MAX_BYTES);
    }
}
