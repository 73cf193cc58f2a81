//! A number as JSON writes it. Integers of up to 64 bits are taken exactly, and what is calculated from them stays
//! exact as long as 128 bits hold it; everything else is a float.

use serde::{Deserialize, Deserializer};
use std::fmt;

#[derive(Clone, Copy)]
pub enum Number {
    Integer(i128),
    /// Always finite.
    Float(f64),
}

/// What is wrong with a calculation, in words for the caller.
#[derive(Debug)]
pub struct Error(pub &'static str);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Error {}

impl Number {
    pub fn add(self, other: Self) -> Result<Self, Error> {
        self.combine(other, i128::checked_add, |a, b| a + b)
    }

    pub fn subtract(self, other: Self) -> Result<Self, Error> {
        self.combine(other, i128::checked_sub, |a, b| a - b)
    }

    pub fn multiply(self, other: Self) -> Result<Self, Error> {
        self.combine(other, i128::checked_mul, |a, b| a * b)
    }

    pub fn divide(self, other: Self) -> Result<Self, Error> {
        if other.to_f64() == 0.0 {
            return Err(Error("division by zero"));
        }
        let divide_evenly = |a: i128, b| (a.checked_rem(b)? == 0).then_some(a / b);
        self.combine(other, divide_evenly, |a, b| a / b)
    }

    pub fn is_less_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a < b,
            _ => self.to_f64() < other.to_f64(),
        }
    }

    /// Calculates with integers where both are integers and the result is one, otherwise with floats.
    fn combine(
        self,
        other: Self,
        exactly: impl Fn(i128, i128) -> Option<i128>,
        nearly: impl Fn(f64, f64) -> f64,
    ) -> Result<Self, Error> {
        if let (Self::Integer(a), Self::Integer(b)) = (self, other)
            && let Some(result) = exactly(a, b)
        {
            return Ok(Self::Integer(result));
        }
        let result = nearly(self.to_f64(), other.to_f64());
        if result.is_finite() {
            Ok(Self::Float(result))
        } else {
            Err(Error("the result is too large"))
        }
    }

    fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        Ok(match number.as_i128() {
            Some(value) => Self::Integer(value),
            None => Self::Float(number.as_f64().unwrap_or_default()),
        })
    }
}

/// The shortest text that reads back as the same number, which is also the number in JSON.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Integer(value) => value.fmt(f),
            // Plain digits where a person would write plain digits, else an exponent.
            Self::Float(value) if value == 0.0 || (1e-6..1e21).contains(&value.abs()) => {
                value.fmt(f)
            }
            Self::Float(value) => fmt::LowerExp::fmt(&value, f),
        }
    }
}
