//! Which profile suits a function: both are tried, a call after the other.

use std::time::{Duration, Instant};

use wasimancer_runtime::{Function, Limits, PluginSpec, Profile, Runtime};

use crate::commands::scheduler;

/// Most calls that are timed for each profile.
const CALLS_MAX: usize = 500;
/// How long each profile is timed at most.
const TIMED: Duration = Duration::from_secs(1);

/// Calls an export with this input, and says what a call takes in each profile.
pub(super) fn compare(
    runtime: &Runtime,
    wasm: &[u8],
    limits: &Limits,
    export: &str,
    input: &[u8],
) -> anyhow::Result<String> {
    let [short, compute] = [Profile::Short, Profile::Compute].map(|profile| {
        let plugin = runtime.compile(PluginSpec {
            limits: limits.clone(),
            profile,
            ..PluginSpec::new("inspected", wasm)
        })?;
        median(&plugin.function(export)?, input)
    });
    let (short, compute) = (short?, compute?);
    let suited = if short <= compute {
        Profile::Short
    } else {
        Profile::Compute
    };
    let suited = suited.name();
    let [short, compute] = [short, compute].map(|time| time.as_secs_f64() * 1e6);
    Ok(format!(
        "{suited}: a call of {export} takes {short:.1} µs with short, {compute:.1} µs with compute"
    ))
}

/// The median of a few calls, the first of which is not among them.
fn median(function: &Function, input: &[u8]) -> anyhow::Result<Duration> {
    scheduler()?.block_on(async {
        function.call(input).await?;
        let began = Instant::now();
        let mut times = Vec::with_capacity(CALLS_MAX);
        while times.is_empty() || (times.len() < CALLS_MAX && began.elapsed() < TIMED) {
            let began = Instant::now();
            function.call(input).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    })
}
