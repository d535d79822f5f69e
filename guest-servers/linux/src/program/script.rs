//! Scripts: files that begin with `#!`.

use crate::errno::Errno;
use alloc::vec::Vec;

/// Longest first line that is looked at (`BINPRM_BUF_SIZE`).
pub const LINE_MAX: usize = 256;
/// How deep scripts may have scripts as interpreters.
pub const MAX_DEPTH: usize = 4;

/// The first line of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    pub interpreter: Vec<u8>,
    /// All that follows the interpreter, as one argument.
    pub argument: Option<Vec<u8>>,
}

/// Reads the first line. `None` if this is no script; ENOEXEC if it names no interpreter.
pub fn parse(head: &[u8]) -> Option<Result<Script, Errno>> {
    let line = head.strip_prefix(b"#!")?;
    let line = &line[..line.len().min(LINE_MAX - 2)];
    Some(parse_line(line, head.len() < LINE_MAX))
}

/// `complete`: the line is not cut short by the length that was read.
fn parse_line(line: &[u8], complete: bool) -> Result<Script, Errno> {
    let blank = |b: &u8| *b == b' ' || *b == b'\t';
    let end = line.iter().position(|&b| b == b'\n' || b == 0);
    let text = &line[..end.unwrap_or(line.len())];
    let start = text.iter().position(|b| !blank(b)).ok_or(Errno::ENOEXEC)?;
    let text = &text[start..];
    let name_end = text.iter().position(blank);
    // A name that runs to the end of a cut line may be cut itself.
    if end.is_none() && !complete && name_end.is_none() {
        return Err(Errno::ENOEXEC);
    }
    let (name, rest) = text.split_at(name_end.unwrap_or(text.len()));
    let rest = trim(rest);
    let argument = (!rest.is_empty()).then(|| rest.to_vec());
    Ok(Script { interpreter: name.to_vec(), argument })
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Arguments for the interpreter: its name, its argument, the script's path, the script's own arguments.
pub fn arguments(script: &Script, path: &[u8], argv: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = Vec::with_capacity(argv.len() + 2);
    out.push(script.interpreter.clone());
    out.extend(script.argument.clone());
    out.push(path.to_vec());
    out.extend(argv.iter().skip(1).cloned());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(line: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let s = parse(line).unwrap().unwrap();
        (s.interpreter, s.argument)
    }

    #[test]
    fn lines() {
        assert_eq!(script(b"#!/bin/sh\n"), (b"/bin/sh".to_vec(), None));
        assert_eq!(script(b"#! /bin/sh -e -x \nfoo"), (b"/bin/sh".to_vec(), Some(b"-e -x".to_vec())));
        assert_eq!(script(b"#!\t/bin/awk\t-f"), (b"/bin/awk".to_vec(), Some(b"-f".to_vec())));
        assert!(parse(b"\x7fELF").is_none());
        assert!(parse(b"#").is_none());
        for bad in [&b"#!"[..], b"#! \n", b"#!\n/bin/sh"] {
            assert_eq!(parse(bad), Some(Err(Errno::ENOEXEC)), "{bad:?}");
        }
        let long = [&b"#!/"[..], &[b'a'; LINE_MAX]].concat();
        assert_eq!(parse(&long[..LINE_MAX]), Some(Err(Errno::ENOEXEC)), "a name that is cut");
    }

    #[test]
    fn arguments_are_put_before_those_of_the_script() {
        let s = Script { interpreter: b"/bin/sh".to_vec(), argument: Some(b"-e".to_vec()) };
        let args = arguments(&s, b"./run", &[b"run".to_vec(), b"1".to_vec()]);
        assert_eq!(args, [&b"/bin/sh"[..], b"-e", b"./run", b"1"]);
        assert_eq!(arguments(&s, b"./run", &[]).len(), 3);
    }
}
