//! What a client can do, as it declares it, and what serving a request needs of it (2026-07-28,
//! basic, "Capabilities").

use serde_json::{Value, json};

/// The identifier of the tasks extension.
pub(crate) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// One thing that a client may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Forms for its user.
    Elicitation,
    /// Pages for its user to visit.
    ElicitationUrl,
    Roots,
    Sampling,
    /// Sampling of a model that can call tools.
    SamplingTools,
    Tasks,
}

impl Capability {
    const ALL: [Self; 6] = [
        Self::Elicitation,
        Self::ElicitationUrl,
        Self::Roots,
        Self::Sampling,
        Self::SamplingTools,
        Self::Tasks,
    ];

    /// Where it stands in a `ClientCapabilities` object.
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::Elicitation => &["elicitation", "form"],
            Self::ElicitationUrl => &["elicitation", "url"],
            Self::Roots => &["roots"],
            Self::Sampling => &["sampling"],
            Self::SamplingTools => &["sampling", "tools"],
            Self::Tasks => &["extensions", TASKS_EXTENSION],
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl From<wasimancer_catalog::Capability> for Capability {
    fn from(required: wasimancer_catalog::Capability) -> Self {
        use wasimancer_catalog::Capability as Required;
        match required {
            Required::Elicitation => Self::Elicitation,
            Required::ElicitationUrl => Self::ElicitationUrl,
            Required::Roots => Self::Roots,
            Required::Sampling => Self::Sampling,
            Required::SamplingTools => Self::SamplingTools,
        }
    }
}

/// What a client can do, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(u8);

impl Capabilities {
    /// Reads a `ClientCapabilities` object.
    pub(crate) fn of(declared: &Value) -> Self {
        let is_declared = |capability: &Capability| {
            let mut path = capability.path().iter();
            path.try_fold(declared, |value, key| value.get(key))
                .is_some_and(is_object)
        };
        let declared_all = Capability::ALL.into_iter().filter(is_declared);
        let mut found = Self(declared_all.fold(0, |bits, capability| bits | capability.bit()));
        // An empty object has meant forms since there are any.
        if is_empty(&declared["elicitation"]) {
            found.0 |= Capability::Elicitation.bit();
        }
        found
    }

    pub(crate) fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// A `ClientCapabilities` object of what is needed and not there; none where nothing is missing.
    pub(crate) fn missing(self, needed: impl IntoIterator<Item = Capability>) -> Option<Value> {
        let missing = needed.into_iter().filter(|needed| !self.has(*needed));
        let bits = missing.fold(0, |bits, capability| bits | capability.bit());
        (bits != 0).then(|| Self(bits).to_json())
    }

    /// The `ClientCapabilities` object.
    pub(crate) fn to_json(self) -> Value {
        let mut all = json!({});
        for capability in Capability::ALL.into_iter().filter(|known| self.has(*known)) {
            let mut place = &mut all;
            for key in capability.path() {
                place = &mut place[*key];
                if place.is_null() {
                    *place = json!({});
                }
            }
        }
        all
    }
}

/// Whether this is an object; PHP writes an empty one as a list.
fn is_object(value: &Value) -> bool {
    value.is_object() || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether this is an object that says nothing.
fn is_empty(value: &Value) -> bool {
    is_object(value)
        && value
            .as_object()
            .is_none_or(|members| members.values().all(Value::is_null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_objects_at_their_place() {
        let all = json!({
            "elicitation": { "form": {}, "url": {} },
            "roots": { "listChanged": true },
            "sampling": { "tools": {}, "context": {} },
            "extensions": { TASKS_EXTENSION: {} },
        });
        let found = Capabilities::of(&all);
        assert!(Capability::ALL.into_iter().all(|one| found.has(one)));
        assert_eq!(found.missing(Capability::ALL), None);
        // Each of them as PHP writes an empty object.
        let lists = json!({
            "elicitation": { "form": [], "url": [] },
            "roots": [],
            "sampling": { "tools": [] },
            "extensions": { TASKS_EXTENSION: [] },
        });
        assert_eq!(Capabilities::of(&lists), found);
        let none = Capabilities::of(
            &json!({ "roots": true, "sampling": null, "extensions": [], "elicitation": [1] }),
        );
        assert_eq!(none, Capabilities::default());
        assert_eq!(
            none.missing([Capability::Sampling, Capability::Tasks]),
            Some(json!({ "sampling": {}, "extensions": { TASKS_EXTENSION: {} } }))
        );
    }

    #[test]
    fn elicitation_means_forms_unless_it_says_otherwise() {
        for (declared, form, url) in [
            (json!({}), true, false),
            (json!([]), true, false),
            (json!({ "form": null, "url": null }), true, false),
            (json!({ "form": {} }), true, false),
            (json!({ "url": {} }), false, true),
        ] {
            let found = Capabilities::of(&json!({ "elicitation": declared }));
            let can =
                [Capability::Elicitation, Capability::ElicitationUrl].map(|one| found.has(one));
            assert_eq!(can, [form, url], "{declared}");
        }
    }
}
