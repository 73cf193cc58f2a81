//! The shapes that the protocol gives to what plugins answer, and what becomes of an answer that has
//! others: an optional field that is wrong is left out, and one that must be there is an error.
//!
//! What is right is copied from one text into another; nothing is read into values.

use std::fmt::{self, Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::members::{Members, each_element, push_key};
use crate::revision::Revision;
use crate::text::Text;

/// Levels of JSON around what a plugin answers: the message, its result, and a name or a task.
pub(crate) const LEVELS_AROUND: usize = 3;
/// Most places that are named in the log of one answer.
const NAMED_MAX: usize = 5;
/// Longest name of an author's own in a place that is told, in characters.
const NAME_MAX_CHARS: usize = 60;

/// What a value must be.
pub(crate) enum ValueType {
    Any,
    Text,
    /// A text of bytes.
    Base64,
    Boolean,
    Number,
    /// A whole number from 0.
    Count,
    /// A number from 0 to 1.
    Share,
    OneOf(&'static [&'static str]),
    /// An object that is passed on as it is.
    Map,
    /// An object whose members all have one shape, by names of the author's.
    Named(&'static ValueType),
    Object(&'static [Field]),
    List(&'static ValueType),
    /// A list whose wrong elements are left out.
    Some(&'static ValueType),
    /// An object that says itself of which kind it is.
    OfKind(fn(&mut Writer, &RawValue) -> Result<(), Wrong>),
}

/// A field of an object. Fields that the protocol does not know are passed on.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) value_type: ValueType,
    pub(crate) need: Need,
}

/// Whether a field must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Optional,
    Required,
    /// One of two is there.
    Either,
}

/// An object's field that may be left out.
pub(crate) const fn optional(name: &'static str, value_type: ValueType) -> Field {
    let need = Need::Optional;
    Field {
        name,
        value_type,
        need,
    }
}

/// An object's field that must be there.
pub(crate) const fn required(name: &'static str, value_type: ValueType) -> Field {
    let need = Need::Required;
    Field {
        name,
        value_type,
        need,
    }
}

/// One of two fields.
pub(crate) const fn either(name: &'static str, value_type: ValueType) -> Field {
    let need = Need::Either;
    Field {
        name,
        value_type,
        need,
    }
}

/// A value that is not what it must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    place: String,
    wanted: String,
}

impl Wrong {
    pub(crate) fn new(place: &str, wanted: &str) -> Self {
        Self {
            place: place.to_owned(),
            wanted: wanted.to_owned(),
        }
    }
}

impl Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} must be {}", self.place, self.wanted)
    }
}

/// What of an answer is left out, to be logged.
#[derive(Default)]
pub(crate) struct LeftOut {
    first: Vec<Wrong>,
    count: usize,
}

impl LeftOut {
    pub(crate) fn note(&mut self, wrong: Wrong) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(wrong);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Display for LeftOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, wrong) in self.first.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(out, "{comma}{wrong}")?;
        }
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(out, "; and {more} more"),
        }
    }
}

/// A step on the way to a value.
enum Step {
    Field(&'static str),
    Index(usize),
    /// Of the author's own.
    Name(String),
}

/// Writes values as the clients of a revision know them.
pub(crate) struct Writer {
    pub(crate) out: String,
    pub(crate) revision: Revision,
    pub(crate) left_out: LeftOut,
    steps: Vec<Step>,
}

impl Writer {
    pub(crate) fn new(revision: Revision) -> Self {
        Self {
            out: String::new(),
            revision,
            left_out: LeftOut::default(),
            steps: Vec::new(),
        }
    }

    /// Writes the value of a field.
    pub(crate) fn field(
        &mut self,
        name: &'static str,
        value: &RawValue,
        value_type: &ValueType,
    ) -> Result<(), Wrong> {
        self.inside(Step::Field(name), |writer| writer.value(value, value_type))
    }

    /// Writes the field of an object that is written by hand, where it is there and right.
    pub(crate) fn optional_field(
        &mut self,
        name: &'static str,
        value: Option<&RawValue>,
        value_type: &ValueType,
    ) {
        let Some(value) = value.filter(|value| value.get() != "null") else {
            return;
        };
        let before = self.out.len();
        self.out.push(',');
        push_key(&mut self.out, name);
        if let Err(wrong) = self.field(name, value, value_type) {
            self.out.truncate(before);
            self.left_out.note(wrong);
        }
    }

    pub(crate) fn value(&mut self, value: &RawValue, value_type: &ValueType) -> Result<(), Wrong> {
        let json = value.get();
        match value_type {
            ValueType::Any => {}
            ValueType::Text if json.starts_with('"') => {}
            ValueType::Text => return Err(self.wrong("a string")),
            ValueType::Base64 if is_base64(value) => {}
            ValueType::Base64 => return Err(self.wrong("base64 with padding")),
            ValueType::Boolean if matches!(json, "true" | "false") => {}
            ValueType::Boolean => return Err(self.wrong("true or false")),
            ValueType::Number if is_number(json) => {}
            ValueType::Number => return Err(self.wrong("a number")),
            ValueType::Count if json.parse::<u64>().is_ok() => {}
            ValueType::Count => return Err(self.wrong("a whole number from 0")),
            ValueType::Share if is_share(json) => {}
            ValueType::Share => return Err(self.wrong("a number from 0 to 1")),
            ValueType::OneOf(words) => {
                let word = Text::of(value);
                if !word.is_some_and(|word| words.contains(&&*word)) {
                    return Err(self.wrong(&words.join(" or ")));
                }
            }
            ValueType::Map if json.starts_with('{') => {}
            ValueType::Map => return Err(self.wrong("an object")),
            ValueType::Object(fields) => {
                let members = self.members(value)?;
                return self.object(&members, fields);
            }
            ValueType::Named(value_type) => return self.named(value, value_type),
            ValueType::List(value_type) => return self.list(value, value_type, false),
            ValueType::Some(value_type) => return self.list(value, value_type, true),
            ValueType::OfKind(write) => return write(self, value),
        }
        self.out.push_str(json);
        Ok(())
    }

    /// The members of a value that must be an object.
    pub(crate) fn members<'a>(&self, value: &'a RawValue) -> Result<Members<'a>, Wrong> {
        Members::read(value.get()).map_err(|_| {
            let is_object = value.get().starts_with('{');
            self.wrong(if is_object {
                "an object with fewer fields"
            } else {
                "an object"
            })
        })
    }

    /// Writes an object.
    pub(crate) fn object(
        &mut self,
        members: &Members<'_>,
        fields: &'static [Field],
    ) -> Result<(), Wrong> {
        let mut missing = fields
            .iter()
            .filter(|field| field.need == Need::Required && members.get(field.name).is_none());
        if let Some(field) = missing.next() {
            return self.missing(field.name, &field.value_type);
        }
        self.out.push('{');
        let start = self.out.len();
        let mut eithers = 0;
        for (name, value) in members.iter() {
            let before = self.out.len();
            if before > start {
                self.out.push(',');
            }
            push_key(&mut self.out, name);
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                self.out.push_str(value.get());
                continue;
            };
            if field.need != Need::Required && value.get() == "null" {
                self.out.truncate(before);
                continue;
            }
            eithers += usize::from(field.need == Need::Either);
            match self.field(field.name, value, &field.value_type) {
                Err(wrong) if field.need == Need::Optional => {
                    self.out.truncate(before);
                    self.left_out.note(wrong);
                }
                written => written?,
            }
        }
        self.out.push('}');
        // The first of the two stands for both.
        let first = fields.iter().find(|field| field.need == Need::Either);
        match first {
            Some(first) if eithers != 1 => {
                Err(self.wrong_at(first.name, "a string, or blob base64 in its place"))
            }
            _ => Ok(()),
        }
    }

    /// What is said of a field that must be there.
    fn missing(&mut self, name: &'static str, value_type: &ValueType) -> Result<(), Wrong> {
        // Of an object, what it must have.
        let nothing = match value_type {
            ValueType::Object(_) | ValueType::OfKind(_) => "{}",
            _ => "null",
        };
        let nothing: &RawValue = serde_json::from_str(nothing).expect("it is JSON");
        self.field(name, nothing, value_type)?;
        Err(self.wrong_at(name, "there, and is missing"))
    }

    /// Writes an object whose members all have one shape.
    pub(crate) fn named(&mut self, value: &RawValue, value_type: &ValueType) -> Result<(), Wrong> {
        let members = self.members(value)?;
        self.out.push('{');
        for (index, (name, value)) in members.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            push_key(&mut self.out, name);
            let name = name.chars().take(NAME_MAX_CHARS).collect();
            self.inside(Step::Name(name), |writer| writer.value(value, value_type))?;
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes a list; where some of it is enough, without what is wrong in it.
    fn list(&mut self, list: &RawValue, value_type: &ValueType, some: bool) -> Result<(), Wrong> {
        self.out.push('[');
        let start = self.out.len();
        let written = each_element(list, |index, element| {
            let before = self.out.len();
            if before > start {
                self.out.push(',');
            }
            let written = self.inside(Step::Index(index), |writer| {
                writer.value(element, value_type)
            });
            match written {
                Err(wrong) if some => {
                    self.out.truncate(before);
                    self.left_out.note(wrong);
                    Ok(())
                }
                written => written,
            }
        });
        written.unwrap_or_else(|| Err(self.wrong("a list")))?;
        self.out.push(']');
        Ok(())
    }

    fn inside<T>(&mut self, step: Step, write: impl FnOnce(&mut Self) -> T) -> T {
        let depth = self.steps.len();
        self.steps.push(step);
        let written = write(self);
        self.steps.truncate(depth);
        written
    }

    /// Writes one value as a list of it.
    pub(crate) fn one_as_list(
        &mut self,
        name: &'static str,
        one: &RawValue,
        value_type: &ValueType,
    ) -> Result<(), Wrong> {
        self.out.push('[');
        self.inside(Step::Field(name), |writer| {
            writer.inside(Step::Index(0), |writer| writer.value(one, value_type))
        })?;
        self.out.push(']');
        Ok(())
    }

    /// What is wrong here.
    pub(crate) fn wrong(&self, wanted: &str) -> Wrong {
        let mut place = String::new();
        for step in &self.steps {
            let dot = if place.is_empty() { "" } else { "." };
            let _ = match step {
                Step::Field(name) => write!(place, "{dot}{name}"),
                Step::Name(name) => write!(place, "{dot}{name}"),
                Step::Index(index) => write!(place, "[{index}]"),
            };
        }
        Wrong {
            place,
            wanted: wanted.to_owned(),
        }
    }

    /// What is wrong with a field here.
    pub(crate) fn wrong_at(&mut self, name: &'static str, wanted: &str) -> Wrong {
        self.inside(Step::Field(name), |writer| writer.wrong(wanted))
    }
}

/// Values are JSON already, so the first byte says what they are.
fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn is_share(json: &str) -> bool {
    is_number(json)
        && json
            .parse()
            .is_ok_and(|share: f64| (0.0..=1.0).contains(&share))
}

fn is_base64(value: &RawValue) -> bool {
    Text::of(value).is_some_and(|text| STANDARD.decode(&*text).is_ok())
}
