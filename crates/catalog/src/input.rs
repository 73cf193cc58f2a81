//! What a function gets of its arguments, as its definition says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::node::{Data, Node, Reader, excerpt};
use crate::whole_number::push_json;

/// What a function gets of its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Input {
    /// One JSON object of all of them.
    #[default]
    Json,
    /// One of them alone.
    Raw(RawInput),
}

/// An argument that is handed over without any JSON around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawInput {
    /// The name of the argument.
    pub(crate) argument: String,
    pub(crate) form: RawForm,
}

/// What is handed over of the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawForm {
    /// A text as it is, any other value as JSON.
    Text,
    /// The bytes that a text gives in base64 (RFC 4648, section 4).
    Bytes,
}

impl RawForm {
    /// The word that a definition writes.
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Text, Self::Bytes]
            .into_iter()
            .find(|form| form.word() == word)
    }
}

const REMEDY: &str = "write json, text, bytes, {text: NAME} or {bytes: NAME}";

impl Input {
    /// Reads `input` of a function with these arguments.
    pub(crate) fn read(function: &Node, arguments: &[&str], reader: &mut Reader<'_>) -> Self {
        let Some(node) = function.get("input") else {
            return Self::Json;
        };
        let found = match &node.data {
            Data::Text(word) if word == "json" => return Self::Json,
            Data::Text(word) => match RawForm::parse(word) {
                Some(form) => one(form, arguments),
                None => Err(format!("{:?} is not known: {REMEDY}", excerpt(word))),
            },
            Data::Map(fields) => named(fields, arguments),
            _ => Err(format!("is {}: {REMEDY}", node.describe())),
        };
        match found {
            Ok(raw) => Self::Raw(raw),
            Err(message) => {
                reader.wrong(function, "input", message);
                Self::Json
            }
        }
    }
}

/// `input: text`, which names no argument.
fn one(form: RawForm, arguments: &[&str]) -> Result<RawInput, String> {
    let [argument] = arguments else {
        let listed = listed(arguments);
        let word = form.word();
        return Err(format!(
            "{word:?} hands over the one argument that a function has, and this one has {listed}: leave one argument, or leave `input` out for JSON of all"
        ));
    };
    Ok(RawInput {
        argument: (*argument).to_owned(),
        form,
    })
}

/// `input: {text: NAME}`.
fn named(fields: &[(String, Node)], arguments: &[&str]) -> Result<RawInput, String> {
    let [(key, value)] = fields else {
        return Err(format!("must have one key, text or bytes: {REMEDY}"));
    };
    let form = RawForm::parse(key).ok_or_else(|| format!("{key:?} is not known: {REMEDY}"))?;
    let Data::Text(name) = &value.data else {
        let found = value.describe();
        return Err(format!("must name an argument under {key} and has {found}"));
    };
    if !arguments.contains(&name.as_str()) {
        let listed = listed(arguments);
        return Err(format!(
            "names the argument {name:?}, and the function has {listed}"
        ));
    }
    let others: Vec<&str> = arguments
        .iter()
        .filter(|other| *other != name)
        .copied()
        .collect();
    if !others.is_empty() {
        return Err(format!(
            "hands over {name:?} alone, so nobody would get {}: remove the other arguments, or leave `input` out for JSON of all",
            listed(&others)
        ));
    }
    Ok(RawInput {
        argument: name.clone(),
        form,
    })
}

fn listed(arguments: &[&str]) -> String {
    match arguments {
        [] => "none".to_owned(),
        all => excerpt(&all.join(", ")),
    }
}

impl RawInput {
    /// Why an argument with this schema cannot be handed over; none where it can.
    pub(crate) fn refusal(&self, schema: &Value) -> Option<String> {
        let can_be_text = match &schema["type"] {
            Value::Null => true,
            Value::Array(words) => words.iter().any(|word| word == "string"),
            word => word == "string",
        };
        let is_refused = self.form == RawForm::Bytes && !can_be_text;
        is_refused.then(|| {
            format!(
                "hands over bytes that a text gives in base64, and {:?} can be no text: give it `type: string`",
                self.argument
            )
        })
    }

    /// The input that the JSON of a value makes.
    ///
    /// # Errors
    /// What is wrong with the value, without its text.
    pub(crate) fn of(&self, json: &str) -> Result<Vec<u8>, String> {
        let name = &self.argument;
        let text: Option<String> = serde_json::from_str(json).ok();
        match (self.form, text) {
            (RawForm::Text, Some(text)) => Ok(text.into_bytes()),
            (RawForm::Text, None) => {
                let mut input = Vec::with_capacity(json.len());
                push_json(&mut input, json);
                Ok(input)
            }
            (RawForm::Bytes, Some(text)) => STANDARD.decode(text).map_err(|error| {
                format!(
                    "{name}: its text is no base64 ({error}): write the bytes in the standard alphabet, with padding"
                )
            }),
            (RawForm::Bytes, None) => {
                Err(format!("{name}: it must be a text with bytes in base64"))
            }
        }
    }
}
