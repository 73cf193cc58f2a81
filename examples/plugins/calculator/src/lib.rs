//! Calculates with two numbers, or describes a list of them. Shows several functions in one plugin, errors, and JSON
//! as an answer.

mod number;

use extism_pdk::{FnResult, Json, plugin_fn};
use number::Number;
use serde::Deserialize;

#[derive(Deserialize)]
struct Operands {
    a: Number,
    b: Number,
}

#[derive(Deserialize)]
struct Series {
    numbers: Vec<Number>,
}

#[plugin_fn]
pub fn add(Json(Operands { a, b }): Json<Operands>) -> FnResult<String> {
    Ok(a.add(b)?.to_string())
}

#[plugin_fn]
pub fn subtract(Json(Operands { a, b }): Json<Operands>) -> FnResult<String> {
    Ok(a.subtract(b)?.to_string())
}

#[plugin_fn]
pub fn multiply(Json(Operands { a, b }): Json<Operands>) -> FnResult<String> {
    Ok(a.multiply(b)?.to_string())
}

/// Division by zero is an error of the plugin: returning `Err` leaves its message with `error_set`.
#[plugin_fn]
pub fn divide(Json(Operands { a, b }): Json<Operands>) -> FnResult<String> {
    Ok(a.divide(b)?.to_string())
}

/// Answers JSON, which the tool declares with `returns: json` and an `outputSchema` in plugins.yml.
#[plugin_fn]
pub fn statistics(Json(Series { numbers }): Json<Series>) -> FnResult<String> {
    let Some((&first, rest)) = numbers.split_first() else {
        return Err(number::Error("statistics of no numbers").into());
    };
    let (mut sum, mut min, mut max) = (first, first, first);
    for &number in rest {
        sum = sum.add(number)?;
        if number.is_less_than(min) {
            min = number;
        }
        if max.is_less_than(number) {
            max = number;
        }
    }
    let count = numbers.len();
    let mean = sum.divide(Number::Integer(count as i128))?;
    Ok(format!(
        r#"{{"count":{count},"sum":{sum},"mean":{mean},"min":{min},"max":{max}}}"#
    ))
}
