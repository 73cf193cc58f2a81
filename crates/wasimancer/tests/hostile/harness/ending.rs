//! How a request has ended, and how it should.

use std::fmt;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::Value;

/// Characters of a message that a report shows.
const SHOWN_CHARS: usize = 160;

/// A request that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    /// From the first byte sent to the last one read.
    pub(crate) took: Duration,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// A result that is no error of a tool.
    Result,
    /// What the tool, or the server in its place, says.
    ToolError(String),
    /// The code of a JSON-RPC error, and its message.
    Error(i64, String),
    /// A change that was made.
    Published,
    /// The status and the word of a refused change, and its message.
    Declined(u16, String, String),
    /// The connection broke, or nothing that belongs to a protocol came.
    Gone(String),
}

impl Ending {
    /// That of a message, or of each message of a batch.
    pub(crate) async fn of_answer(request: RequestBuilder) -> Vec<Self> {
        match json_of(request).await {
            Err(reason) => vec![Self::Gone(reason)],
            Ok((_, Value::Array(answers))) => answers.iter().map(Self::of_message).collect(),
            Ok((_, answer)) => vec![Self::of_message(&answer)],
        }
    }

    pub(crate) async fn of_administration(request: RequestBuilder) -> Vec<Self> {
        let ending = match json_of(request).await {
            Err(reason) => Self::Gone(reason),
            Ok((200, _)) => Self::Published,
            Ok((status, body)) => match (body["code"].as_str(), body["error"].as_str()) {
                (Some(code), Some(message)) => {
                    Self::Declined(status, code.to_owned(), message.to_owned())
                }
                _ => Self::Gone(format!("{status} {body}")),
            },
        };
        vec![ending]
    }

    /// What an error that is a plugin's doing says.
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::ToolError(message) | Self::Declined(_, _, message) => message,
            _ => "",
        }
    }

    /// That of the bytes of an answer of HTTP/1.1; none where the connection was closed without one.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match serde_json::from_str(body) {
            Ok(message) => Self::of_message(&message),
            Err(_) => Self::Gone(text.into_owned()),
        }
    }

    fn of_message(message: &Value) -> Self {
        let (result, error) = (&message["result"], &message["error"]);
        if let (Some(code), Some(message)) = (error["code"].as_i64(), error["message"].as_str()) {
            return Self::Error(code, message.to_owned());
        }
        match (result.is_object(), result["isError"] == true) {
            (true, false) => Self::Result,
            (true, true) => {
                let text = result["content"][0]["text"].as_str();
                Self::ToolError(text.unwrap_or_default().to_owned())
            }
            (false, _) => Self::Gone(message.to_string()),
        }
    }
}

/// The status and the JSON of an answer.
async fn json_of(request: RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| chain(&error))?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.map_err(|error| chain(&error))?;
    let json = serde_json::from_slice(&bytes);
    let json = json.map_err(|_| format!("{status} {}", String::from_utf8_lossy(&bytes)))?;
    Ok((status, json))
}

/// An error with its causes, since the outermost says only that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect::<String>();
        match self {
            Self::Result => write!(formatter, "a result"),
            Self::ToolError(text) => write!(formatter, "the tool error \"{}\"", shown(text)),
            Self::Error(code, text) => write!(formatter, "the error {code} \"{}\"", shown(text)),
            Self::Published => write!(formatter, "a publication"),
            Self::Declined(status, code, text) => {
                write!(formatter, "the refusal {status} {code} \"{}\"", shown(text))
            }
            Self::Gone(reason) => write!(formatter, "no answer: {}", shown(reason)),
        }
    }
}

/// How a request may end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// With a result.
    Result,
    /// With an error of the tool that says this.
    ToolError(&'static str),
    /// With this JSON-RPC error, which says this.
    Error(i64, &'static str),
    /// With the change made.
    Published,
    /// With the change refused, by this status and word.
    Declined(u16, &'static str),
    /// With the connection closed.
    Gone,
}

/// Stopped at `limits.timeout`.
pub(crate) const TIME_LIMIT: Wanted = Wanted::ToolError("time limit");
/// Stopped at `limits.memory`.
pub(crate) const MEMORY_LIMIT: Wanted = Wanted::ToolError("memory limit");

impl Wanted {
    pub(crate) fn matches(self, ending: &Ending) -> bool {
        match (self, ending) {
            (Self::Result, Ending::Result)
            | (Self::Published, Ending::Published)
            | (Self::Gone, Ending::Gone(_)) => true,
            (Self::ToolError(part), Ending::ToolError(text)) => text.contains(part),
            (Self::Error(wanted, part), Ending::Error(code, text)) => {
                wanted == *code && text.contains(part)
            }
            (Self::Declined(wanted, word), Ending::Declined(status, code, _)) => {
                wanted == *status && word == code
            }
            _ => false,
        }
    }
}
