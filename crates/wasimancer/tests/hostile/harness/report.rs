//! The row of a case in `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use super::probe::{Latencies, Measured};
use super::{Ended, Ending};

/// Appends the row to the file that `HOSTILE_REPORT` names, if it does.
pub(crate) fn row(
    title: &str,
    limit: Duration,
    ended: &[Ended],
    measured: &Measured,
    peak_mib: u64,
    problems: &[String],
) {
    let Some(path) = std::env::var_os("HOSTILE_REPORT") else {
        return;
    };
    let longest = ended.iter().map(|ended| ended.took).max();
    let row = format!(
        "| {} | {} | {} | {} | {} | {} | {} MiB |\n",
        title.replace('|', "\\|"),
        seconds(limit),
        endings(ended, problems).replace('|', "\\|"),
        longest.map_or_else(|| "–".to_owned(), seconds),
        latencies(&measured.health),
        latencies(&measured.tool),
        peak_mib,
    );
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    let mut file = file.expect("the report can be written");
    file.write_all(row.as_bytes())
        .expect("the report can be written");
}

fn endings(ended: &[Ended], problems: &[String]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for Ended { ending, .. } in ended {
        *counts.entry(kind(ending)).or_default() += 1;
    }
    let mut text = String::new();
    for (kind, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{count} × {kind}");
    }
    if !problems.is_empty() {
        let _ = write!(text, " **failed: {}**", problems.join("; "));
    }
    text.replace(['\n', '\r'], " ")
}

/// The ending in a few words, alike for all callers of a case.
fn kind(ending: &Ending) -> String {
    const KINDS: [&str; 8] = [
        "time limit",
        "memory limit",
        "trapped",
        "reported an error",
        "busy",
        "HTTP request",
        "may not reach",
        "could not be checked",
    ];
    match ending {
        Ending::Result => "result".to_owned(),
        Ending::ToolError(text) => {
            let known = KINDS.iter().find(|kind| text.contains(**kind));
            known.map_or("tool error", |kind| kind).to_owned()
        }
        Ending::Error(code, _) => format!("error {code}"),
        Ending::Published => "published".to_owned(),
        Ending::Declined(status, code, _) => format!("{status} `{code}`"),
        Ending::Gone(_) => "no answer".to_owned(),
    }
}

fn latencies(latencies: &Latencies) -> String {
    let milliseconds = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let [median, p99] = [50, 99].map(|percent| milliseconds(latencies.percentile(percent)));
    format!("{median} / {p99} / {} ms", milliseconds(latencies.max()))
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
