//! `serve --stdio`: one local client, which has started the server and stops it by closing its input.
//! Standard output is the client's; everything else goes to the log on standard error.

use anyhow::Context;
use tokio::io::BufReader;

use super::{Changes, compile_aside, load, mcp_options, start_watch};
use crate::config::resolve::Config;
use crate::signals::Asked;

pub(super) async fn serve(config: Config, asked: Asked) -> anyhow::Result<()> {
    let Some((config, catalog)) = load(config, &asked, Changes::Never, || ()).await? else {
        return Ok(());
    };
    compile_aside(&catalog)?;
    let _watch = start_watch(&catalog, config.publishing.watch);
    tracing::info!("serving the client on standard input and output");
    let served = wasimancer_mcp::serve_stdio(
        catalog,
        mcp_options(&config),
        asked.stop,
        BufReader::new(tokio::io::stdin()),
        tokio::io::stdout(),
    );
    served.await.context("the client's input or output failed")
}
