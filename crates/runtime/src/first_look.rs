//! What a module says of itself, so that one which will be refused is refused in milliseconds, and not after
//! it was compiled: what it imports, how many of everything it has, and what it needs that is off here.

use wasmparser::{
    CompositeInnerType, ElementItems, FunctionBody, Operator, Parser, Payload, RecGroup,
    SectionLimited,
};

use crate::error::Error;

/// How many of something a module may have.
#[derive(Clone, Copy)]
struct Bound {
    /// What is counted, in the plural.
    what: &'static str,
    most: u64,
}

// Each is about twice the most in some 140 public modules of npm, among them the interpreters of Ruby, Python
// and PHP, Go (esbuild), .NET, LLVM and Clang, DuckDB, OpenCASCADE, Typst, Z3 and FFmpeg (November 2026);
// behind each the most that was found. What they are beyond these the engine bounds, and the process
// that compiles.

// OpenCASCADE: 1,255.
const TYPES: Bound = Bound::new("types", 2_500);
// OpenCASCADE: 13,827.
const VALUES: Bound = Bound::new("parameters and results in its types", 28_000);
// OpenCASCADE: 834.
const IMPORTS: Bound = Bound::new("imports", 1_700);
// LLVM: 133,398.
const FUNCTIONS: Bound = Bound::new("functions", 270_000);
// DuckDB: 30,718.
const GLOBALS: Bound = Bound::new("globals", 62_000);
// DuckDB: 75,111.
const EXPORTS: Bound = Bound::new("exports", 150_000);
// OpenCASCADE: 246,781.
const ELEMENTS: Bound = Bound::new("elements in its tables", 500_000);
// LLVM: 456,491.
const LOCALS: Bound = Bound::new("local variables", 920_000);
// IronCalc: 1,702.
const LOCALS_OF_FUNCTION: Bound = Bound::new("local variables in one function", 3_500);
// LLVM: 4,248.
const NESTING: Bound = Bound::new("blocks inside each other", 8_500);

/// Least bytes of a block: its opcode, its type, and its end.
const BLOCK_MIN_BYTES: u64 = 3;

/// Proposals that are off here, by words that the engine's validator uses of them, and what people call
/// them.
const SWITCHED_OFF: [(&str, &str); 5] = [
    ("gc ", "garbage collection"),
    ("function references", "typed function references"),
    ("exception", "exceptions"),
    ("threads", "threads"),
    ("stack switching", "stack switching"),
];

/// Module and name of each import; as many as can be read.
///
/// # Errors
/// [`Error::TooMany`], as far as what lies before the code says so.
pub(crate) fn imports(wasm: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let mut names = Vec::new();
    for payload in payloads(wasm) {
        match payload {
            Payload::ImportSection(imports) => {
                IMPORTS.check(imports.count())?;
                for import in imports.into_imports().map_while(Result::ok) {
                    names.push((import.module.to_owned(), import.name.to_owned()));
                    IMPORTS.check(names.len() as u64)?;
                }
            }
            Payload::TypeSection(types) => check_types(types)?,
            Payload::FunctionSection(functions) => FUNCTIONS.check(functions.count())?,
            Payload::GlobalSection(globals) => GLOBALS.check(globals.count())?,
            Payload::ExportSection(exports) => EXPORTS.check(exports.count())?,
            Payload::ElementSection(segments) => check_elements(segments)?,
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    Ok(names)
}

/// Refuses a module that has more of something than it may. Takes time that is linear in its bytes, and
/// reads no more of a function than it must.
///
/// # Errors
/// [`Error::TooMany`]. What is no module is left to the engine.
pub(crate) fn check(wasm: &[u8]) -> Result<(), Error> {
    imports(wasm)?;
    let mut locals = 0;
    for payload in payloads(wasm) {
        if let Payload::CodeSectionEntry(body) = payload {
            let of_function = locals_of(&body);
            LOCALS_OF_FUNCTION.check(of_function)?;
            locals += of_function;
            LOCALS.check(locals)?;
            check_nesting(&body)?;
        }
    }
    Ok(())
}

/// The parts of a module, as many as can be read.
fn payloads(wasm: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    Parser::new(0).parse_all(wasm).map_while(Result::ok)
}

impl Bound {
    const fn new(what: &'static str, most: u64) -> Self {
        Self { what, most }
    }

    fn check(self, found: impl Into<u64>) -> Result<(), Error> {
        let Self { what, most: limit } = self;
        let found = found.into();
        if found > limit {
            return Err(Error::TooMany { what, found, limit });
        }
        Ok(())
    }
}

fn check_types(section: SectionLimited<'_, RecGroup>) -> Result<(), Error> {
    TYPES.check(section.count())?;
    let (mut types, mut values) = (0_u64, 0_u64);
    for group in section.into_iter().map_while(Result::ok) {
        for ty in group.types() {
            types += 1;
            if let CompositeInnerType::Func(ty) = &ty.composite_type.inner {
                values += (ty.params().len() + ty.results().len()) as u64;
            }
        }
        TYPES.check(types)?;
        VALUES.check(values)?;
    }
    Ok(())
}

fn check_elements(section: SectionLimited<'_, wasmparser::Element<'_>>) -> Result<(), Error> {
    let mut elements = 0;
    // Each takes a byte at least.
    if section.range().len() as u64 <= ELEMENTS.most {
        return Ok(());
    }
    for segment in section.into_iter().map_while(Result::ok) {
        elements += u64::from(match segment.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        });
        ELEMENTS.check(elements)?;
    }
    Ok(())
}

/// How many local variables a function declares.
fn locals_of(body: &FunctionBody<'_>) -> u64 {
    let declared = body.get_locals_reader().into_iter().flatten();
    let declared = declared.map_while(Result::ok);
    declared.map(|(count, _)| u64::from(count)).sum()
}

fn check_nesting(body: &FunctionBody<'_>) -> Result<(), Error> {
    if body.range().len() as u64 / BLOCK_MIN_BYTES <= NESTING.most {
        return Ok(());
    }
    let mut depth = 0_u64;
    let operators = body.get_operators_reader().into_iter().flatten();
    for operator in operators.map_while(Result::ok) {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => {
                depth += 1;
                NESTING.check(depth)?;
            }
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The proposal that a module needs and that is off here, by what the engine's validator said.
pub(crate) fn switched_off(reason: &str) -> Option<&'static str> {
    let says_so = [
        "not enabled",
        "must be enabled",
        "not supported without the",
        "are disallowed",
    ];
    if !says_so.iter().any(|words| reason.contains(words)) {
        return None;
    }
    let named = SWITCHED_OFF.iter().find(|(word, _)| reason.contains(word));
    named.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_named() {
        for (reason, name) in [
            (
                "gc proposal must be enabled to use subtypes",
                Some("garbage collection"),
            ),
            (
                "array indexed types not supported without the gc feature",
                Some("garbage collection"),
            ),
            (
                "legacy exceptions support is not enabled",
                Some("exceptions"),
            ),
            (
                "threads must be enabled for shared memories",
                Some("threads"),
            ),
            // `externref` is one.
            (
                "gc types are disallowed but found type which requires gc",
                Some("garbage collection"),
            ),
            ("unexpected end of the gc section", None),
        ] {
            assert_eq!(switched_off(reason), name, "{reason}");
        }
    }
}
