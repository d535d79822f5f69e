//! A settings file, in TOML: `memory = "1G"` is `--memory 1G`.

use super::flag::{Flag, Form, Given};
use super::origin::{Origin, Setting};
use super::relative::{has_path, resolve};
use super::table::{self, scalar, unfit};
use crate::loader::file::{self, FileError};
use crate::similar;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The flag that names the file.
pub const CONFIG: &str = "config";
/// Settings are text that people write.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}:{line}: {problem}", .path.display())]
    Content { path: PathBuf, line: usize, problem: String },
}

/// What the file at `path` gives to `flags`.
pub fn read(path: &Path, flags: &[Flag]) -> Result<Vec<Setting>, SettingsError> {
    let input = file::open(CONFIG, path, "")?;
    let mut bytes = Vec::new();
    if let Err(source) = (&input.file).take(BYTES_MAX).read_to_end(&mut bytes) {
        return Err(FileError::Unreadable { what: CONFIG.into(), path: path.into(), source }.into());
    }
    let error = |line, problem| SettingsError::Content { path: path.into(), line, problem };
    let text = String::from_utf8(bytes).map_err(|_| error(1, "the file is not UTF-8 text".into()))?;
    parse(&text, path, flags).map_err(|(line, problem)| error(line, problem))
}

/// The error has the line it is in.
pub fn parse(text: &str, path: &Path, flags: &[Flag]) -> Result<Vec<Setting>, (usize, String)> {
    let line =
        |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count();
    let root = DeTable::parse(text)
        .map_err(|error| (line(error.span().map_or(0, |span| span.start)), error.message().to_string()))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let mut all = Vec::new();
    for (at, key, value) in table::entries(root.get_ref()) {
        let line = line(at);
        let flag = find(key, flags).map_err(|problem| (line, problem))?;
        let given = given(flag, value).map_err(|problem| (line, format!("{} {problem}", flag.name())))?;
        let absolute = |value: OsString| resolve(flag.value_name(), &value, base);
        let given = Given(given.0.into_iter().map(|value| value.map(absolute)).collect());
        let origin = Origin::File { path: path.into(), line };
        all.push(Setting { flag: flag.name().into(), is_path: has_path(flag.value_name()), given, origin });
    }
    Ok(all)
}

fn find<'c>(key: &str, flags: &[Flag<'c>]) -> Result<Flag<'c>, String> {
    if key == CONFIG {
        return Err("a settings file cannot name another one".into());
    }
    flags.iter().copied().find(|flag| flag.name() == key).ok_or_else(|| {
        let known = flags.iter().map(|flag| flag.name()).filter(|name| *name != CONFIG);
        format!("unknown key {key:?}{}", similar::suggestion(key, known))
    })
}

fn given(flag: Flag, value: &DeValue) -> Result<Given, String> {
    match value {
        DeValue::Array(values) if flag.is_list() => {
            let all = values.iter().map(|value| one(flag, value.get_ref())).collect::<Result<Vec<_>, _>>()?;
            Ok(Given(all.into_iter().flat_map(|given| given.0).collect()))
        }
        DeValue::Array(_) => Err(format!("{}, but it can be given once only", unfit(value, expected(flag)))),
        value => one(flag, value),
    }
}

fn one(flag: Flag, value: &DeValue) -> Result<Given, String> {
    let form = flag.form();
    match value {
        DeValue::Boolean(on) if matches!(form, Form::Switch | Form::Optional) => Ok(Given::switch(*on)),
        DeValue::Integer(number) if form == Form::Count => match number.as_str().parse::<u8>() {
            Ok(times) => Ok(Given(vec![None; times.into()])),
            Err(_) => Err(format!("{number} is no number from 0 to 255")),
        },
        DeValue::Table(table) if matches!(form, Form::Value | Form::Optional) => table::given(flag, table),
        value => match scalar(value) {
            Some(text) if matches!(form, Form::Value | Form::Optional) => Ok(Given::value(text)),
            _ => Err(unfit(value, expected(flag))),
        },
    }
}

fn expected(flag: Flag) -> &'static str {
    match flag.form() {
        Form::Switch => "true or false",
        Form::Count => "a number from 0 to 255",
        Form::Value => "text or a number",
        Form::Optional => "true, false, or text",
    }
}
