//! `serve --stdio`: one local client, which has started the server and stops it by closing its input.
//! Standard output is the client's; everything else goes to the log on standard error.

use anyhow::Context;
use tokio::io::BufReader;
use tokio::sync::watch;

use super::{load, mcp_options, start_watch};
use crate::config::resolve::Config;
use crate::signals;

pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let (config, catalog) = load(config).await?;
    let _watch = start_watch(&catalog, config.publishing.settle_time);
    let stop = signals::listen()?;
    let (shutdown, is_shutting_down) = watch::channel(false);
    tracing::info!("serving the client on standard input and output");
    let options = mcp_options(&config);
    let serving = wasimancer_mcp::serve_stdio(
        catalog,
        options,
        is_shutting_down,
        BufReader::new(tokio::io::stdin()),
        tokio::io::stdout(),
    );
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop => {
            shutdown.send_replace(true);
            serving.await
        }
    };
    served.context("the client's input or output failed")
}
