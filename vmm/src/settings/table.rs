//! A table in place of a value with items: `[[disk]]` with `file = "a.img"` and `ro = true` is `a.img,ro`.
//!
//! A value that begins with something that has no key (`FILE[,ro]`) has it under its name in small letters, `file`.

use super::flag::{Flag, Given};
use super::relative::doubled;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use toml::de::{DeTable, DeValue};

/// What the flag `env` is given: the table's keys are names of somebody else's.
const PAIRS: &str = "NAME=VALUE";

/// What is given to `flag` by `table`.
pub fn given(flag: Flag, table: &DeTable) -> Result<Given, String> {
    match flag.value_name() {
        PAIRS => {
            let pair = |(_, name, value): (_, &str, &DeValue)| {
                let value =
                    scalar(value).ok_or_else(|| format!("{name}: {}", unfit(value, "text or a number")))?;
                Ok(Some(OsString::from(format!("{name}={value}"))))
            };
            Ok(Given(entries(table).map(pair).collect::<Result<_, String>>()?))
        }
        name if name.contains([',', '=']) => Ok(Given::value(items(name, table)?)),
        name => Err(format!("is a table; expected is {name}")),
    }
}

/// The entries in the order in which they were written, with where that is.
pub fn entries<'t>(table: &'t DeTable) -> impl Iterator<Item = (usize, &'t str, &'t DeValue<'t>)> {
    let entries =
        table.iter().map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value.get_ref()));
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(at, ..)| *at);
    entries.into_iter()
}

fn items(name: &str, table: &DeTable) -> Result<OsString, String> {
    let mut all = Vec::new();
    let leading = leading(name);
    if let Some(leading) = &leading {
        let value = table
            .iter()
            .find(|(key, _)| key.get_ref() == leading)
            .and_then(|(_, value)| scalar(value.get_ref()));
        all.push(doubled(value.ok_or_else(|| format!("{leading} = \"…\" is missing"))?.as_bytes()));
    }
    for (_, key, value) in entries(table).filter(|(_, key, _)| leading.as_deref() != Some(key)) {
        match value {
            DeValue::Boolean(true) => all.push(doubled(key.as_bytes())),
            DeValue::Boolean(false) => {}
            DeValue::Array(values) => {
                for value in values.iter() {
                    all.push(item(key, value.get_ref())?);
                }
            }
            value => all.push(item(key, value)?),
        }
    }
    Ok(OsString::from_vec(all.join(&b',')))
}

fn item(key: &str, value: &DeValue) -> Result<Vec<u8>, String> {
    let value =
        scalar(value).ok_or_else(|| format!("{key}: {}", unfit(value, "text, a number, true or false")))?;
    Ok(doubled(format!("{key}={value}").as_bytes()))
}

/// What a value begins with that has no key of its own.
fn leading(name: &str) -> Option<String> {
    let word: String = name.chars().take_while(char::is_ascii_uppercase).collect();
    (!word.is_empty()).then(|| word.to_lowercase())
}

/// A value that is a word of a command line.
pub fn scalar(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(decimal(number)),
        DeValue::Float(number) => Some(number.as_str().into()),
        _ => None,
    }
}

/// As people write numbers on a command line. One that is too large for this is refused where it is read.
fn decimal(number: &toml::de::DeInteger) -> String {
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(value) => value.to_string(),
        Err(_) => number.to_string(),
    }
}

/// The message for a value of another type than `expected`.
pub fn unfit(value: &DeValue, expected: &str) -> String {
    let is = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("is {is}; expected is {expected}")
}
