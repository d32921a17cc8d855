//! [`is_same`]: when what a query printed is what the script expects.

use sqllogictest::Normalizer;

/// Decimals that SQLite's scripts print of every real number.
const DECIMALS_OF_SQLITE: usize = 3;

/// Whether these are the expected rows: printed a row on each line or, as SQLite's own scripts
/// have it, a value on each line. White space counts as one space.
pub fn is_same(normalize: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    // The marker of parts that may differ is understood by the crate's own comparison.
    if sqllogictest::default_validator(normalize, actual, expected) {
        return true;
    }
    let rows: Vec<String> = actual.iter().map(|row| row.join(" ")).collect();
    let values: Vec<String> = actual.iter().flatten().cloned().collect();
    lines_are_same(&rows, expected) || lines_are_same(&values, expected)
}

fn lines_are_same(actual: &[String], expected: &[String]) -> bool {
    actual.len() == expected.len()
        && actual.iter().zip(expected).all(|(actual, expected)| {
            let (actual, expected) = (actual.split_whitespace(), expected.split_whitespace());
            actual.clone().count() == expected.clone().count()
                && actual.zip(expected).all(|(actual, expected)| word_is_same(actual, expected))
        })
}

/// Whether two words are the same text, the same truth or the same number.
fn word_is_same(actual: &str, expected: &str) -> bool {
    if actual == expected {
        return true;
    }
    match (truth(actual), truth(expected)) {
        (Some(actual), Some(expected)) => return actual == expected,
        (None, None) => {}
        _ => return false,
    }
    if is_integer(actual) && is_integer(expected) {
        return false;
    }
    let (Some(number), Some(wanted)) = (number(actual), number(expected)) else { return false };
    let is_of_sqlite =
        expected.split_once('.').is_some_and(|(_, decimals)| decimals.len() == DECIMALS_OF_SQLITE);
    number == wanted || (is_of_sqlite && format!("{number:.DECIMALS_OF_SQLITE$}") == expected)
}

fn truth(word: &str) -> Option<bool> {
    match word {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

fn number(word: &str) -> Option<f64> {
    let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    is_number.then(|| word.parse().ok()).flatten()
}

/// Integers are compared as text, in all their digits.
fn is_integer(word: &str) -> bool {
    word.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
}
