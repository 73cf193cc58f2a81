//! A schema and a value together: a verdict in bounded steps, the library's own where it has one, and
//! words for what is wrong.

use serde_json::{Map, Value, json};
use wasimancer_catalog::fuzzing::{Verdict, verdict};

/// Longest input: schemas and values grow with it.
const MAX_BYTES: usize = 4000;
/// Deepest schema and value.
const LEVELS_MAX: usize = 12;
/// Most schemas or values side by side.
const WIDTH_MAX: u8 = 4;
/// Steps in which the library alone has a verdict at once too.
const QUICK_STEPS: u64 = 20_000;
/// As many as where others are served.
const STEPS: u64 = 100_000;

const NAMES: [&str; 6] = ["a", "b", "aa", "x-a", "", "é"];
const TYPES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];
const PATTERNS: [&str; 10] = [
    "^a", "a$", "^a*$", "(a|b)+", "^x-", r"\d\w", "^(?!a)", "(a)\\1", "^(a+)+$", "é|\\bb",
];
const REFERENCES: [&str; 10] = [
    "#",
    "#/$defs/a",
    "#/$defs/b",
    "#/$defs/aa",
    "#a",
    "#b",
    "#/properties/a",
    "#/items",
    "#/anyOf/0",
    "#/not",
];

/// A schema and a value as JSON with a line break between them, or any bytes that both are made of.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    if data.len() > MAX_BYTES {
        return;
    }
    let (schema, value) = written(data).unwrap_or_else(|| {
        let mut bytes = Bytes(data);
        let mut schema = bytes.schema(0);
        if let Some(fields) = schema.as_object_mut() {
            let definitions = ["a", "b", "aa"].map(|name| (name.to_owned(), bytes.schema(1)));
            fields.insert("$defs".to_owned(), Map::from_iter(definitions).into());
        }
        (schema, bytes.value(0))
    });
    let found = verdict(&schema, &value, STEPS);
    match &found {
        Some(Verdict::Wrong(message)) => assert!(!message.is_empty(), "words for what is wrong"),
        Some(Verdict::Right | Verdict::Unchecked) | None => {}
    }
    let is_valid = match verdict(&schema, &value, QUICK_STEPS) {
        Some(Verdict::Right) => true,
        Some(Verdict::Wrong(_)) => false,
        Some(Verdict::Unchecked) | None => return,
    };
    assert_eq!(
        found == Some(Verdict::Right),
        is_valid,
        "as with fewer steps"
    );
    let library = jsonschema::validator_for(&schema).expect("what we compile, the library does");
    assert_eq!(library.is_valid(&value), is_valid, "as the library has it");
}

fn written(data: &[u8]) -> Option<(Value, Value)> {
    let (schema, value) = std::str::from_utf8(data).ok()?.split_once('\n')?;
    Some((
        serde_json::from_str(schema).ok()?,
        serde_json::from_str(value).ok()?,
    ))
}

/// Bytes that decide, zeros at their end.
struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[usize::from(self.next()) % choices.len()]
    }

    fn small(&mut self) -> Value {
        json!(self.next() % 5)
    }

    fn schemas(&mut self, level: usize) -> Value {
        let count = 1 + self.next() % (WIDTH_MAX - 1);
        (0..count).map(|_| self.schema(level)).collect()
    }

    fn named(&mut self, level: usize, names: &[&str]) -> Value {
        let count = self.next() % WIDTH_MAX;
        let schemas: Map<String, Value> = (0..count)
            .map(|_| (self.pick(names).to_owned(), self.schema(level)))
            .collect();
        schemas.into()
    }

    fn schema(&mut self, level: usize) -> Value {
        if level > LEVELS_MAX || self.0.is_empty() {
            return json!(!self.next().is_multiple_of(3));
        }
        let mut fields = Map::new();
        for _ in 0..=self.next() % WIDTH_MAX {
            let (keyword, value) = self.keyword(level + 1);
            fields.insert(keyword.to_owned(), value);
        }
        fields.into()
    }

    fn keyword(&mut self, level: usize) -> (&'static str, Value) {
        match self.next() % 40 {
            0 | 1 => ("type", json!(self.pick(&TYPES))),
            2 => (
                "type",
                json!([self.pick(&TYPES[..3]), self.pick(&TYPES[3..])]),
            ),
            3 => ("enum", json!([self.value(level), self.value(level)])),
            4 => ("const", self.value(level)),
            5 => ("minimum", self.small()),
            6 => ("exclusiveMaximum", self.small()),
            7 => ("multipleOf", json!(1 + self.next() % 3)),
            8 => ("minLength", self.small()),
            9 => ("maxLength", self.small()),
            10 => ("pattern", json!(self.pick(&PATTERNS))),
            11 => ("minItems", self.small()),
            12 => ("maxItems", self.small()),
            13 => ("uniqueItems", json!(true)),
            14 => ("minProperties", self.small()),
            15 => ("maxProperties", self.small()),
            16 => ("required", json!([self.pick(&NAMES)])),
            17 => (
                "dependentRequired",
                json!({self.pick(&NAMES): [self.pick(&NAMES)]}),
            ),
            18 | 19 => ("properties", self.named(level, &NAMES)),
            20 => ("patternProperties", self.named(level, &PATTERNS)),
            21 => ("additionalProperties", self.schema(level)),
            22 => ("propertyNames", self.schema(level)),
            23 => ("unevaluatedProperties", self.schema(level)),
            24 => ("prefixItems", self.schemas(level)),
            25 | 26 => ("items", self.schema(level)),
            27 => ("contains", self.schema(level)),
            28 => ("minContains", self.small()),
            29 => ("maxContains", self.small()),
            30 => ("unevaluatedItems", self.schema(level)),
            31 => ("allOf", self.schemas(level)),
            32 => ("anyOf", self.schemas(level)),
            33 => ("oneOf", self.schemas(level)),
            34 => ("not", self.schema(level)),
            35 => (
                ["if", "then", "else"][usize::from(self.next() % 3)],
                self.schema(level),
            ),
            36 => ("dependentSchemas", self.named(level, &NAMES)),
            37 => ("$ref", json!(self.pick(&REFERENCES))),
            38 => ("$dynamicRef", json!(self.pick(&REFERENCES[..6]))),
            _ => (
                ["$anchor", "$dynamicAnchor"][usize::from(self.next() % 2)],
                json!(self.pick(&NAMES[..2])),
            ),
        }
    }

    fn value(&mut self, level: usize) -> Value {
        let kind = self.next() % 9;
        let inner = if level > LEVELS_MAX {
            0
        } else {
            self.next() % WIDTH_MAX
        };
        match kind {
            0 => Value::Null,
            1 => json!(self.next().is_multiple_of(2)),
            2 => self.small(),
            3 => json!(f64::from(self.next() % 8) / 2.0),
            4 => json!(self.pick(&NAMES)),
            5 => json!(self.pick(&["a", "b", "é"]).repeat(usize::from(self.next()))),
            6 => (0..inner).map(|_| self.value(level + 1)).collect(),
            _ => {
                let members: Map<String, Value> = (0..inner)
                    .map(|_| (self.pick(&NAMES).to_owned(), self.value(level + 1)))
                    .collect();
                members.into()
            }
        }
    }
}
