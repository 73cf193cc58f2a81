//! What the benchmarks share. Nothing here is part of the product: see `run.sh` beside it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;

/// Serves routes on a free port of loopback with so many worker threads, until it is killed. Says
/// where on standard output, as the product does.
///
/// # Errors
/// When nothing can be bound.
pub fn serve(threads: usize, routes: Router) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("the asynchronous runtime could not start")?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(address).await?;
        println!("listening on http://{}/mcp", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                eprintln!("TCP_NODELAY could not be set: {error}");
            }
        });
        Ok(axum::serve(listener, routes).await?)
    })
}

/// The number of worker threads, which is the first argument.
///
/// # Errors
/// When it is missing or no number.
pub fn threads() -> anyhow::Result<usize> {
    let argument = std::env::args().nth(1).context("usage: NAME THREADS")?;
    argument.parse().context("THREADS must be a number")
}

/// How long one subject is called in each round, in CPU time.
pub const ROUND: Duration = Duration::from_millis(100);

/// Calls for [`ROUND`] and divides the CPU time of this thread.
///
/// # Errors
/// When a call fails.
pub fn nanoseconds_a_call(mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let began = thread_time();
    let mut calls = 0;
    loop {
        call()?;
        calls += 1;
        let spent = thread_time() - began;
        if spent >= ROUND {
            return Ok(u64::try_from(spent.as_nanos())? / calls);
        }
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
