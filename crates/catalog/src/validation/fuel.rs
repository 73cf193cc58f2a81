//! Steps: what holding a value against a schema may cost, counted inside the library's own view of
//! the value.
//!
//! The library validates any representation of JSON. Ours is a `serde_json` value whose accessors
//! take steps from the validation under way; where none is left, the validation is unwound, whatever
//! the library is doing. So a bound holds for all keywords, drafts and ways to validate.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, SerdeJson};
use serde_json::{Map, Number, Value};

use super::equality;

/// Bytes that a step reads where a text is read whole: some 10 ns, as much as another step takes.
const BYTES_PER_STEP: usize = 64;
/// Most bytes of stack below the beginning of a validation. The threads that serve have 2 MiB, of
/// which what calls a validation takes a tenth.
const STACK_MAX_BYTES: usize = 1024 * 1024;

/// Why a validation ended before it had a verdict.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Its steps are spent.
    Spent,
    /// Schema and value lead it too deep into one another.
    TooDeep,
    /// A pattern does not take the text: why not.
    Pattern(String),
}

/// What names of properties cost beyond being read, since the library itself matches them against
/// `patternProperties`.
#[derive(Clone, Copy, Default)]
pub(super) struct NameCost {
    /// Steps for 64 bytes of a name.
    pub(super) per_64_bytes: u64,
    /// Patterns that backtrack.
    pub(super) backtracking: u64,
}

impl NameCost {
    fn of(self, name: &str) -> u64 {
        let bytes = name.len() as u64;
        let matched = bytes * self.per_64_bytes / 64;
        let backtracked = self.backtracking * (BACKTRACKING_NAME + bytes * bytes / 128);
        reading(name) + matched + backtracked
    }
}

/// Steps for a name that is matched against a pattern that backtracks, which the library bounds.
const BACKTRACKING_NAME: u64 = 300;

/// The steps of one thread's validation.
struct Tank {
    left: Cell<u64>,
    /// The address of the stack where the validation began.
    stack: Cell<usize>,
    names: Cell<NameCost>,
}

thread_local! {
    static TANK: Tank = const {
        Tank {
            left: Cell::new(0),
            stack: Cell::new(0),
            names: Cell::new(NameCost { per_64_bytes: 0, backtracking: 0 }),
        }
    };
}

/// Does work that spends at most as many steps. It may hold nothing that unwinding would break.
pub(super) fn within<T>(
    steps: u64,
    names: NameCost,
    work: impl FnOnce() -> T,
) -> Result<T, Stopped> {
    let marker = 0_u8;
    TANK.with(|tank| {
        tank.left.set(steps);
        tank.stack.set(std::ptr::from_ref(&marker).addr());
        tank.names.set(names);
    });
    let ended = catch_unwind(AssertUnwindSafe(work));
    TANK.with(|tank| tank.left.set(0));
    ended.map_err(|payload| match payload.downcast::<Stopped>() {
        Ok(stopped) => *stopped,
        Err(panic) => resume_unwind(panic),
    })
}

/// Takes steps from the validation under way.
#[inline]
pub(super) fn spend(steps: u64) {
    let marker = 0_u8;
    TANK.with(|tank| {
        let Some(left) = tank.left.get().checked_sub(steps) else {
            stop(Stopped::Spent);
        };
        tank.left.set(left);
        let here = std::ptr::from_ref(std::hint::black_box(&marker)).addr();
        if tank.stack.get().saturating_sub(here) > STACK_MAX_BYTES {
            stop(Stopped::TooDeep);
        }
    });
}

/// Ends the validation under way. Nothing is printed, since this is no panic.
#[cold]
pub(super) fn stop(why: Stopped) -> ! {
    resume_unwind(Box::new(why))
}

/// The steps for reading a text.
pub(super) fn reading(text: &str) -> u64 {
    1 + (text.len() / BYTES_PER_STEP) as u64
}

/// JSON that costs steps.
pub(super) struct Counting;

impl Json for Counting {
    type Node<'a> = Counted<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    const KEYS_PER_LOOKUP: usize = SerdeJson::KEYS_PER_LOOKUP;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(
        buffer: &mut Value,
        string: &str,
        work: impl FnOnce(Counted<'_>) -> T,
    ) -> T {
        SerdeJson::with_string_node(buffer, string, |value| work(Counted(value)))
    }
}

/// A value of JSON that costs steps.
#[derive(Clone, Copy)]
pub(super) struct Counted<'a>(pub(super) &'a Value);

impl<'a> Node<'a, Counting> for Counted<'a> {
    type Object = CountedObject<'a>;
    type Array = CountedArray<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<CountedObject<'a>> {
        spend(1);
        self.0.as_object().map(CountedObject)
    }

    fn as_array(&self) -> Option<CountedArray<'a>> {
        spend(1);
        self.0.as_array().map(|items| CountedArray(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.0.as_str();
        spend(text.map_or(1, reading));
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        spend(1);
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        spend(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        spend(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        spend(1);
        JsonType::from(self.0)
    }

    fn equals_value(&self, expected: &Value) -> bool {
        equality::equal(self.0, expected)
    }

    fn to_value(&self) -> Cow<'a, Value> {
        spend(1);
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        spend(1);
        Some(NodeIdentity::new(std::ptr::from_ref(self.0).addr()))
    }
}

/// An object of JSON that costs steps.
pub(super) struct CountedObject<'a>(&'a Map<String, Value>);

impl<'a> Object<'a, Counting> for CountedObject<'a> {
    type Node = Counted<'a>;
    type MemberName = &'a str;
    type MembersIter = CountedMembers<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Counted<'a>> {
        spend(reading(key));
        self.0.get(key).map(Counted)
    }

    fn members(&self) -> CountedMembers<'a> {
        CountedMembers {
            members: self.0.iter(),
            cost: TANK.with(|tank| tank.names.get()),
        }
    }
}

/// The members of an object of JSON that costs steps.
pub(super) struct CountedMembers<'a> {
    members: serde_json::map::Iter<'a>,
    cost: NameCost,
}

impl<'a> Iterator for CountedMembers<'a> {
    type Item = (&'a str, Counted<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        spend(self.cost.of(name));
        Some((name, Counted(value)))
    }
}

/// A list of JSON that costs steps.
pub(super) struct CountedArray<'a>(&'a [Value]);

impl<'a> Array<'a, Counting> for CountedArray<'a> {
    type Node = Counted<'a>;
    type ElementsIter = CountedElements<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> CountedElements<'a> {
        CountedElements(self.0.iter())
    }

    fn is_unique(&self) -> bool {
        equality::are_unique(self.0)
    }
}

/// The elements of a list of JSON that costs steps.
pub(super) struct CountedElements<'a>(std::slice::Iter<'a, Value>);

impl<'a> Iterator for CountedElements<'a> {
    type Item = Counted<'a>;

    fn next(&mut self) -> Option<Counted<'a>> {
        let element = self.0.next()?;
        spend(1);
        Some(Counted(element))
    }
}
