//! Variables of the environment: `UKVMM_MEMORY=1G` is `--memory 1G`.
//!
//! A switch is on with 1, true, yes or on, and off with 0, false, no or off. A flag that may be given often has one value a line: values have commas,
//! colons and blanks in them, but hardly line breaks. A variable that is empty is none.

use super::flag::{Flag, Form, Given, PREFIX, switch};
use super::origin::{Origin, Setting};
use super::relative::has_path;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Those that others read: the build, the tests, and [`crate::kvm`].
const OTHERS: [&str; 5] = ["BUILD", "NO_BUILD", "LAB_TIMEOUT", "KVM_DEVICE", "TEST_DEVICE"];
/// Jaro-Winkler similarity from which on a variable may have been meant for us. Others may have variables that begin as ours do.
const LIKE: f64 = 0.85;

/// Our variables that are set, by name.
pub struct Variables(BTreeMap<String, OsString>);

impl Variables {
    pub fn new(environment: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            (!value.is_empty()).then_some((name, value))
        };
        Self(environment.filter_map(ours).collect())
    }

    /// What is given to `flag`, if something is.
    pub fn setting(&self, flag: Flag) -> Option<Result<Setting, (Origin, String)>> {
        let name = flag.variable();
        let given = given(flag, self.0.get(&name)?);
        let origin = Origin::Variable(name);
        Some(match given {
            Ok(given) => {
                Ok(Setting { flag: flag.name().into(), is_path: has_path(flag.value_name()), given, origin })
            }
            Err(problem) => Err((origin, problem)),
        })
    }

    /// What to tell the user of variables that nobody reads, but that are much like one of `flags`.
    pub fn mistyped(&self, flags: &[Flag]) -> Vec<String> {
        let known: Vec<String> = flags.iter().map(|flag| flag.variable()).collect();
        let is_known = |name: &&String| known.contains(name) || OTHERS.contains(&&name[PREFIX.len()..]);
        let warning = |name: &String| {
            let likeness =
                |known: &&String| strsim::jaro_winkler(&known[PREFIX.len()..], &name[PREFIX.len()..]);
            let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
            (likeness(&best) > LIKE)
                .then(|| format!("nobody reads the variable {name} (did you mean {best}?)"))
        };
        self.0.keys().filter(|name| !is_known(name)).filter_map(warning).collect()
    }
}

fn given(flag: Flag, text: &OsStr) -> Result<Given, String> {
    if flag.is_list() {
        let lines = text.as_bytes().split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| one(flag, OsStr::from_bytes(line)));
        let all = lines.collect::<Result<Vec<_>, _>>()?;
        return Ok(Given(all.into_iter().flat_map(|given| given.0).collect()));
    }
    one(flag, text)
}

fn one(flag: Flag, text: &OsStr) -> Result<Given, String> {
    let as_switch = text.to_str().and_then(switch);
    match (flag.form(), as_switch) {
        (Form::Value, _) | (Form::Optional, None) => Ok(Given::value(text)),
        (Form::Switch | Form::Optional, Some(on)) => Ok(Given::switch(on)),
        (Form::Switch, None) => {
            Err(format!("{text:?} is neither on (1, true, yes, on) nor off (0, false, no, off)"))
        }
        (Form::Count, _) => match text.to_str().and_then(|text| text.parse::<u8>().ok()) {
            Some(times) => Ok(Given(vec![None; times.into()])),
            None => Err(format!("{text:?} is no number from 0 to 255")),
        },
    }
}
