//! A tool of a home, called as a client calls it: over the protocol, by a client of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex, split};
use tokio::sync::watch;
use wasimancer_catalog::{Catalog, Definitions};

use crate::commands::scheduler;
use crate::commands::serve::{log_quarantined, mcp_options, open_catalog, start_runtime};
use crate::config::resolve::resolve;
use crate::config::{Flags, ProcessEnvironment};

/// Bytes that wait on the way between the client and what it calls.
const PIPE_BYTES: usize = 64 * 1024;
/// The revision in which the client speaks, which needs no handshake.
const REVISION: &str = "2026-07-28";

/// Calls a tool, and prints its result: texts as they are, anything else as the result's JSON.
pub(super) fn call(home: PathBuf, tool: &str, arguments: &[u8]) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        home: Some(home),
        ..Flags::default()
    };
    let config = resolve(&flags, &ProcessEnvironment)?;
    let arguments: &RawValue =
        serde_json::from_slice(arguments).context("the arguments are no JSON")?;
    let request = request(tool, arguments)?;
    let definitions = Definitions::read(&config.home)?;
    let catalog = open_catalog(&config, &definitions, &start_runtime(&config)?)?;
    log_quarantined(&catalog.snapshot());
    let catalog = Arc::new(catalog);
    let compiling = Arc::clone(&catalog);
    // The plugin that is called comes first, and the process ends with its answer.
    std::thread::spawn(move || compiling.compile_rest());
    let options = mcp_options(&config);
    let result = scheduler()?.block_on(ask(catalog, options, request))?;
    print(&result, &mut std::io::stdout().lock())
}

/// The message of the call, on one line.
fn request(tool: &str, arguments: &RawValue) -> anyhow::Result<String> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {
            "name": "wasimancer call",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let tool = serde_json::to_string(tool)?;
    let request = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{tool},"arguments":{arguments},"_meta":{meta}}}}}"#
    );
    // Between the parts of a JSON text they are blanks, and in its strings they cannot be.
    Ok(request.replace(['\n', '\r'], " "))
}

/// Sends the request, and waits for its result.
async fn ask(
    catalog: Arc<Catalog>,
    options: wasimancer_mcp::Options,
    request: String,
) -> anyhow::Result<Value> {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let (input, output) = split(theirs);
    // Nobody tells it to stop.
    let (_stop, stops) = watch::channel(false);
    let served =
        wasimancer_mcp::serve_stdio(catalog, options, stops, BufReader::new(input), output);
    let asked = async {
        let (answers, mut requests) = split(ours);
        requests.write_all(request.as_bytes()).await?;
        requests.write_all(b"\n").await?;
        let mut answers = BufReader::new(answers).lines();
        while let Some(line) = answers.next_line().await? {
            let mut message: Value = serde_json::from_str(&line)?;
            // What it tells meanwhile is in the log.
            if message.get("id").is_none() {
                continue;
            }
            if let Some(error) = message["error"]["message"].as_str() {
                bail!("{error}");
            }
            return Ok(message["result"].take());
        }
        bail!("the call ended without an answer")
    };
    tokio::select! {
        answer = asked => answer,
        served = served => {
            served?;
            bail!("the call ended without an answer")
        }
    }
}

fn print(result: &Value, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let blocks = result["content"].as_array();
    let texts = blocks.and_then(|blocks| {
        let texts = blocks.iter().map(|block| block["text"].as_str());
        texts.collect::<Option<Vec<_>>>()
    });
    if result["isError"] == true {
        match texts {
            Some(texts) => bail!("{}", texts.join("\n")),
            None => bail!("{result}"),
        }
    }
    let printed = match texts {
        Some(texts) => write!(out, "{}", texts.join("\n")),
        None => writeln!(out, "{result}"),
    };
    printed
        .and_then(|()| out.flush())
        .context("the result could not be written")?;
    Ok(ExitCode::SUCCESS)
}
