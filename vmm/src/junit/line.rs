//! One line of the guest's output, as far as it is about tests.
//!
//! The grammar is that of TAP 14 (testanything.org) and of what Linux makes of it, KTAP (`Documentation/dev-tools/ktap.rst`). Before a line of it there may be what a log puts there: the time that
//! Linux's does (`[    1.234567] `), or any words that end in `TAP `, as the µ-kernel's log has them (`conformance: TAP ok 1 ipc/call`).

/// What a line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// `TAP version 14` or `KTAP version 1`.
    Version {
        ktap: bool,
    },
    /// `1..N`, with why they are not made if they are not.
    Plan {
        count: u64,
        skip: Option<String>,
    },
    /// `# Subtest: NAME`.
    Subtest(String),
    Result(Verdict),
    /// `Bail out! WHY`: nothing will be tested any more.
    BailOut(String),
    /// `# …`
    Comment,
    /// Anything else.
    Other,
}

/// `ok N NAME # DIRECTIVE`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub ok: bool,
    pub number: Option<u64>,
    pub name: String,
    pub directive: Directive,
}

/// What is behind the `#` of a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Directive {
    None,
    /// It was not made, for this reason.
    Skip(String),
    /// It is known to fail, for this reason (`TODO`, `XFAIL`).
    Todo(String),
    /// It came to no result (`TIMEOUT`, `ERROR`), whatever stands before.
    Broken(String),
    /// Words of a program's own.
    Remark(String),
}

/// A line, and how many spaces are in front of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indented {
    pub indent: usize,
    pub line: Line,
}

/// The end of what our log puts before a line.
const MARK: &str = "TAP ";

/// Reads a line, without its end.
pub fn parse(text: &str) -> Indented {
    let text = without_time(text);
    let body = text.trim_start_matches(' ');
    let line = line(body.trim_end());
    if line == Line::Other
        && let Some(marked) = marked(body)
    {
        return Indented { indent: 0, line: marked };
    }
    Indented { indent: text.len() - body.len(), line }
}

/// Without the time that Linux's log puts before a line, and who has written it: `[    1.234567][    T1] `.
fn without_time(text: &str) -> &str {
    let Some((time, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) else {
        return text;
    };
    let is_time = |time: &str| {
        let time = time.trim_start();
        time.contains('.') && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    if !is_time(time) {
        return text;
    }
    let rest = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((who, rest)) if who.trim_start().starts_with(['T', 'C']) => rest,
        _ => rest,
    };
    rest.strip_prefix(' ').unwrap_or(rest)
}

/// What follows the mark of our own log, if it is about tests.
fn marked(body: &str) -> Option<Line> {
    let (before, rest) = body.split_once(MARK)?;
    let line = line(rest.trim_end());
    let is_word = before.is_empty() || before.ends_with(' ');
    (is_word && matches!(line, Line::Plan { .. } | Line::Result(_))).then_some(line)
}

fn line(body: &str) -> Line {
    if let Some(verdict) = verdict(body) {
        return Line::Result(verdict);
    }
    if let Some(plan) = plan(body) {
        return plan;
    }
    if let Some(version) = body.strip_prefix("KTAP version ").or_else(|| body.strip_prefix("TAP version ")) {
        let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        return if is_number { Line::Version { ktap: body.starts_with('K') } } else { Line::Other };
    }
    if let Some(why) = body.strip_prefix("Bail out!") {
        return Line::BailOut(why.trim().into());
    }
    match body.strip_prefix('#') {
        Some(comment) => match comment.trim_start().strip_prefix("Subtest:") {
            Some(name) => Line::Subtest(name.trim().into()),
            None => Line::Comment,
        },
        None => Line::Other,
    }
}

fn plan(body: &str) -> Option<Line> {
    let rest = body.strip_prefix("1..")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (count, behind) = rest.split_at(digits);
    let behind = behind.trim_start();
    let skip = match behind.strip_prefix('#') {
        Some(comment) => word(comment.trim_start(), "SKIP").map(Into::into),
        None if behind.is_empty() => None,
        None => return None,
    };
    Some(Line::Plan { count: count.parse().ok()?, skip })
}

/// A number has to be there: `ok` alone is a word that people use.
fn verdict(body: &str) -> Option<Verdict> {
    let (ok, rest) = match body.strip_prefix("not ") {
        Some(rest) => (false, rest.trim_start()),
        None => (true, body),
    };
    let rest = rest.strip_prefix("ok")?;
    let rest = rest.strip_prefix(' ')?.trim_start();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, name) = rest.split_at(digits);
    let is_dash = name.trim_start().starts_with("- ");
    let is_apart = if number.is_empty() { is_dash } else { name.is_empty() || name.starts_with(' ') };
    if !is_apart {
        return None;
    }
    let name = name.trim_start();
    let name = name.strip_prefix("- ").unwrap_or(name);
    let (name, comment) = split_comment(name);
    let name = name.replace("\\#", "#").trim().to_string();
    Some(Verdict { ok, number: number.parse().ok(), name, directive: directive(comment) })
}

/// At the first `#` behind a space; `\#` is a character of the name.
fn split_comment(text: &str) -> (&str, &str) {
    let at = text.match_indices('#').map(|(at, _)| at).find(|&at| at == 0 || text[..at].ends_with(' '));
    at.map_or((text, ""), |at| (&text[..at], text[at + 1..].trim()))
}

fn directive(comment: &str) -> Directive {
    let is = |name| word(comment, name).map(String::from);
    if comment.is_empty() {
        return Directive::None;
    }
    if let Some(why) = is("SKIP") {
        return Directive::Skip(why);
    }
    if let Some(why) = is("TODO").or_else(|| is("XFAIL")) {
        return Directive::Todo(why);
    }
    match is("TIMEOUT").or_else(|| is("ERROR")) {
        Some(_) => Directive::Broken(comment.into()),
        None => Directive::Remark(comment.into()),
    }
}

/// What is behind the word at the beginning, if it is `name`, in letters of whatever size.
fn word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (first, rest) = text.split_at_checked(name.len())?;
    let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric());
    (first.eq_ignore_ascii_case(name) && ends).then(|| rest.trim_start_matches([':', ' ']).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ok: bool, number: u64, name: &str, directive: Directive) -> Line {
        Line::Result(Verdict { ok, number: Some(number), name: name.into(), directive })
    }

    #[test]
    fn results_have_a_number_a_name_and_a_directive() {
        let of = |text| parse(text).line;
        assert_eq!(of("ok 1 a"), result(true, 1, "a", Directive::None));
        assert_eq!(of("not ok 12 - a b"), result(false, 12, "a b", Directive::None));
        assert_eq!(of("ok 3"), result(true, 3, "", Directive::None));
        assert_eq!(of("ok 1 a # SKIP no disk"), result(true, 1, "a", Directive::Skip("no disk".into())));
        assert_eq!(of("ok 1 # skip"), result(true, 1, "", Directive::Skip("".into())));
        assert_eq!(of("not ok 1 a # TODO: later"), result(false, 1, "a", Directive::Todo("later".into())));
        assert_eq!(of("ok 1 a # TIMEOUT"), result(true, 1, "a", Directive::Broken("TIMEOUT".into())));
        assert_eq!(of("not ok 1 a # f.rs:3: 1, not 2"), {
            result(false, 1, "a", Directive::Remark("f.rs:3: 1, not 2".into()))
        });
        assert_eq!(of(r"ok 1 issue \#7 fixed"), result(true, 1, "issue #7 fixed", Directive::None));
        assert_eq!(of("ok 1 C#"), result(true, 1, "C#", Directive::None));
        let unnumbered = Verdict { ok: true, number: None, name: "a".into(), directive: Directive::None };
        assert_eq!(of("ok - a"), Line::Result(unnumbered));
    }

    #[test]
    fn plans_headers_and_comments() {
        let of = |text| parse(text).line;
        assert_eq!(of("1..7"), Line::Plan { count: 7, skip: None });
        assert_eq!(of("1..0 # SKIP no disk"), Line::Plan { count: 0, skip: Some("no disk".into()) });
        assert_eq!(of("KTAP version 1"), Line::Version { ktap: true });
        assert_eq!(of("TAP version 13"), Line::Version { ktap: false });
        assert_eq!(of("# Subtest: a b"), Line::Subtest("a b".into()));
        assert_eq!((of("# words"), of("#")), (Line::Comment, Line::Comment));
        assert_eq!(of("Bail out! no memory"), Line::BailOut("no memory".into()));
    }

    #[test]
    fn words_of_people_are_no_results() {
        for text in
            ["ok", "okay 1", "ok then", "not ok", "not", "1..", "1..x", "1..99999999999999999999", "TAP ", ""]
        {
            assert_eq!(parse(text).line, Line::Other, "{text}");
        }
        assert_eq!(parse("it is ok 1 a").line, Line::Other);
        assert_eq!(parse("ok 1.5 seconds").line, Line::Other);
    }

    #[test]
    fn what_a_log_puts_before_is_left_out() {
        let nested = Indented { indent: 4, line: result(true, 1, "a", Directive::None) };
        assert_eq!(parse("    ok 1 a"), nested);
        assert_eq!(parse("[    1.234567]     ok 1 a\r"), nested);
        assert_eq!(parse("[    1.234567][    T1]     ok 1 a"), nested);
        assert_eq!(parse("conformance: TAP not ok 2 b # x").line, {
            result(false, 2, "b", Directive::Remark("x".into()))
        });
        assert_eq!(parse("root: TAP 1..3").line, Line::Plan { count: 3, skip: None });
        assert_eq!(parse("WIRETAP ok 1 a").line, Line::Other);
        assert_eq!(parse("[x] ok 1 a").line, Line::Other);
    }
}
