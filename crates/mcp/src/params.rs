//! The params of a request: an object that is read once, whoever takes something of it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::optional::object;
use crate::text::Text;

/// What methods have in common, each as it came; what it must be, its method says.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Params<'a> {
    #[serde(skip)]
    whole: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "taskId")]
    task_id: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputResponses")]
    pub(crate) responses: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestState", deserialize_with = "present")]
    pub(crate) state: Option<&'a RawValue>,
}

/// The name, URI or id that a request is about.
#[derive(Debug, PartialEq)]
pub(crate) enum About<'a> {
    This(Cow<'a, str>),
    /// Its method wants one, and none is given.
    Missing,
    /// Its method is about nothing.
    Nothing,
}

impl About<'_> {
    /// The text; empty where there is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::This(about) => about,
            Self::Missing | Self::Nothing => "",
        }
    }
}

/// Keeps an explicit `null` apart from an absent field.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Params<'a> {
    /// Reads the params of a request; none is an empty object.
    pub(crate) fn of(whole: Option<&'a RawValue>) -> Result<Self, Error> {
        let Some(raw) = object(whole) else {
            return Ok(Self::default());
        };
        if !raw.get().starts_with('{') {
            let message = "`params` must be an object".to_owned();
            return Err(Error::InvalidRequest(message));
        }
        let params: Self = serde_json::from_str(raw.get()).map_err(|error| invalid(&error))?;
        Ok(Self {
            whole,
            meta: object(params.meta),
            arguments: object(params.arguments),
            ..params
        })
    }

    /// The params of a method that has others than these.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        serde_json::from_str(self.text()).map_err(|error| invalid(&error))
    }

    /// Their JSON.
    pub(crate) fn text(&self) -> &'a str {
        self.whole.map_or("{}", RawValue::get)
    }

    /// The bytes of their JSON.
    pub(crate) fn bytes(&self) -> usize {
        self.whole.map_or(0, |whole| whole.get().len())
    }

    /// All of them, to be read again later.
    pub(crate) fn whole(&self) -> Option<&'a RawValue> {
        self.whole
    }

    /// The name of a tool or prompt.
    pub(crate) fn name(&self) -> Result<Cow<'a, str>, Error> {
        required("name", self.name)
    }

    /// The URI of a resource.
    pub(crate) fn uri(&self) -> Result<Cow<'a, str>, Error> {
        required("uri", self.uri)
    }

    /// The id of a task.
    pub(crate) fn task_id(&self) -> Result<Cow<'a, str>, Error> {
        required("taskId", self.task_id)
    }

    /// Where a list is to go on.
    pub(crate) fn cursor(&self) -> Result<Option<Cow<'a, str>>, Error> {
        text("cursor", self.cursor)
    }

    /// What a request of this method is about.
    pub(crate) fn about(&self, method: &str) -> Result<About<'a>, Error> {
        let given = match method {
            "tools/call" | "prompts/get" => text("name", self.name),
            "resources/read" => text("uri", self.uri),
            "tasks/get" | "tasks/update" | "tasks/cancel" => text("taskId", self.task_id),
            _ => return Ok(About::Nothing),
        };
        Ok(given?.map_or(About::Missing, About::This))
    }
}

fn text<'a>(field: &str, given: Option<&'a RawValue>) -> Result<Option<Cow<'a, str>>, Error> {
    given
        .map(|raw| Text::of(raw).ok_or_else(|| wrong(field, "must be a string")))
        .transpose()
}

fn required<'a>(field: &str, given: Option<&'a RawValue>) -> Result<Cow<'a, str>, Error> {
    text(field, given)?.ok_or_else(|| wrong(field, "is missing: give a string"))
}

fn wrong(field: &str, what: &str) -> Error {
    Error::InvalidParams(format!("`{field}` {what}"))
}

fn invalid(error: &serde_json::Error) -> Error {
    Error::InvalidParams(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params<'_> {
        Params::of(Some(serde_json::from_str(text).unwrap()))
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_given_is_what_the_method_is_about() {
        let all = params(
            r#"{"name":"n","uri":"u","taskId":"\u0074","cursor":null,"other":[{"name":1}]}"#,
        );
        for (method, about) in [
            ("tools/call", About::This("n".into())),
            ("prompts/get", About::This("n".into())),
            ("resources/read", About::This("u".into())),
            ("tasks/cancel", About::This("t".into())),
            ("tools/list", About::Nothing),
        ] {
            assert_eq!(all.about(method).unwrap(), about, "{method}");
        }
        assert_eq!(all.cursor().unwrap(), None);
        assert_eq!(
            Params::default().about("tools/call").unwrap(),
            About::Missing
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = params(r#"{"name":5,"uri":null,"inputResponses":null}"#);
        let message = |found: Result<Cow<'_, str>, Error>| found.unwrap_err().to_string();
        assert!(message(wrong.name()).ends_with("`name` must be a string"));
        assert!(message(wrong.uri()).ends_with("`uri` is missing: give a string"));
        assert!(
            wrong.about("tools/list").is_ok(),
            "another method may mean something else by it"
        );
        assert!(Params::of(Some(serde_json::from_str("[1]").unwrap())).is_err());
    }

    #[test]
    fn empty_lists_are_empty_objects_and_null_is_absent() {
        for text in [
            "[]",
            "[ ]",
            r#"{"_meta":[],"arguments":[ ],"inputResponses":null}"#,
            r#"{"_meta":null,"arguments":null}"#,
        ] {
            let params = params(text);
            assert!(params.meta.is_none(), "{text}");
            assert!(params.arguments.is_none(), "{text}");
            assert!(params.responses.is_none(), "{text}");
        }
        let params = params(r#"{"arguments":[1],"inputResponses":[]}"#);
        assert_eq!(params.arguments.map(RawValue::get), Some("[1]"));
        assert_eq!(params.responses.map(RawValue::get), Some("[]"));
    }
}
