//! Equality of values as JSON Schema has it, at the cost of steps for all that is compared.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use jsonschema::json::cmp;
use serde_json::{Number, Value};

use super::fuel::{reading, spend};

/// Up to so many values, comparing each with each takes less than hashing them.
const PAIRWISE_MAX: usize = 15;

/// Whether two values are equal. `1` and `1.0` are; the order of an object's members is nothing.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            spend(1);
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| equal(a, b))
        }
        (Value::Object(left), Value::Object(right)) => {
            spend(1);
            let is_like = |(name, value): (&String, &Value)| {
                spend(reading(name));
                right.get(name).is_some_and(|other| equal(value, other))
            };
            left.len() == right.len() && left.iter().all(is_like)
        }
        (Value::String(left), Value::String(right)) => {
            spend(1);
            left.len() == right.len() && {
                spend(reading(left));
                left == right
            }
        }
        (left, right) => {
            spend(1);
            cmp::equal(left, right)
        }
    }
}

/// Whether no two values of a list are equal.
pub(super) fn are_unique(values: &[Value]) -> bool {
    if values.len() <= PAIRWISE_MAX {
        return values
            .iter()
            .enumerate()
            .all(|(index, value)| values[..index].iter().all(|before| !equal(before, value)));
    }
    // Whoever makes values that hash alike pays for the comparisons.
    let mut seen = HashSet::new();
    values.iter().all(|value| seen.insert(Hashed(value)))
}

/// A value that hashes like those that are equal to it.
struct Hashed<'a>(&'a Value);

impl PartialEq for Hashed<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0, other.0)
    }
}

impl Eq for Hashed<'_> {}

impl Hash for Hashed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        spend(1);
        std::mem::discriminant(self.0).hash(state);
        match self.0 {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            Value::Number(number) => hash_number(number, state),
            Value::String(text) => {
                spend(reading(text));
                text.hash(state);
            }
            Value::Array(items) => {
                items.len().hash(state);
                for item in items {
                    Hashed(item).hash(state);
                }
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    spend(reading(name));
                    let mut state = DefaultHasher::new();
                    name.hash(&mut state);
                    Hashed(value).hash(&mut state);
                    state.finish()
                };
                // In any order.
                let sum = members.iter().map(member).fold(0, u64::wrapping_add);
                state.write_u64(sum);
            }
        }
    }
}

fn hash_number(number: &Number, state: &mut impl Hasher) {
    let float = || number.as_f64().unwrap_or_default();
    let whole = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
        .or_else(|| (float().fract() == 0.0).then(|| float() as i128));
    match whole {
        Some(whole) => whole.hash(state),
        None => float().to_bits().hash(state),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validation::fuel::{NameCost, Stopped, within};

    fn unique(values: &Value, steps: u64) -> Result<bool, Stopped> {
        let values = values.as_array().unwrap();
        within(steps, NameCost::default(), || are_unique(values))
    }

    #[test]
    fn values_are_unique_as_json_schema_has_it() {
        let many: Vec<Value> = (0..20).map(Value::from).collect();
        let with = |more: Value| Value::Array([many.clone(), vec![more]].concat());
        for (values, wanted) in [
            (json!([]), true),
            (json!([1, 1.0]), false),
            (json!([0, -0.0]), false),
            (json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}]), false),
            (json!([1, true, "1", [1], {"a": 1}, null]), true),
            (with(json!(7.0)), false),
            (with(json!(-0.0)), false),
            (with(json!(7.5)), true),
            (with(json!(1e300)), true),
            (with(json!("7")), true),
            (with(json!([7])), true),
        ] {
            assert_eq!(unique(&values, 10_000), Ok(wanted), "{values}");
        }
    }

    #[test]
    fn values_that_hash_alike_are_paid_for() {
        // The order of members is nothing to the hash, so neither is it to a collision's cost.
        let values: Value = (0..2_000).map(|n| json!([[n], n, {"a": n}])).collect();
        assert_eq!(unique(&values, 100_000), Ok(true));
        assert_eq!(unique(&values, 1_000), Err(Stopped::Spent));
        let long = "x".repeat(1_000_000);
        let values: Value = (0..15).map(|_| json!(long)).collect();
        assert_eq!(unique(&values, 10_000), Err(Stopped::Spent));
    }
}
