//! What `each.c` says in the guest: how each command has ended, and what it has printed before.

use super::rows::Row;

/// How a command has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    Exit(u8),
    Signal(u8),
    /// It took too long.
    Time,
    /// It did not: the machine ended, or was ended.
    Never,
}

/// Of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub lines: Vec<String>,
    pub end: End,
}

/// Most of what a program has printed that is shown, in characters.
const SHOWN: usize = 80;

/// Outcomes by the commands' numbers, as far as the machine came. A guest may say anything: what makes no sense is passed over.
pub fn parse(output: &str, commands: usize) -> Vec<Option<Outcome>> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; commands];
    let mut current: Option<usize> = None;
    for line in output.lines().map(|line| line.trim_end_matches('\r')) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |word: &str| word.parse().ok().filter(|&number: &usize| number < commands);
        match (&words[..], current) {
            (["begin", word], _) => {
                current = number(word);
                if let Some(at) = current {
                    outcomes[at] = Some(Outcome { lines: vec![], end: End::Never });
                }
            }
            (["end", word, how @ ..], Some(at)) if number(word) == current => {
                if let (Some(outcome), Some(end)) = (&mut outcomes[at], End::of(how)) {
                    outcome.end = end;
                }
                current = None;
            }
            (["|", ..], Some(at)) => {
                if let Some(outcome) = &mut outcomes[at] {
                    outcome.lines.push(line[1..].trim_start_matches(' ').to_owned());
                }
            }
            _ => {}
        }
    }
    outcomes
}

impl End {
    fn of(words: &[&str]) -> Option<Self> {
        match words {
            ["time"] => Some(Self::Time),
            ["exit", status] => Some(Self::Exit(status.parse().ok()?)),
            ["signal", signal] => Some(Self::Signal(signal.parse().ok()?)),
            _ => None,
        }
    }
}

impl Outcome {
    /// The figure, or why there is none.
    pub fn figure(&self, row: &Row) -> Result<f64, String> {
        let said = || match self.lines.iter().find(|line| !line.is_empty()) {
            Some(line) => format!(": {}", plain(line)),
            None => String::new(),
        };
        match self.end {
            End::Exit(0) => row.figure(&self.lines).ok_or_else(|| match self.lines.is_empty() {
                true => "printed nothing".to_owned(),
                false => format!("printed something else{}", said()),
            }),
            End::Exit(status) => Err(format!("ended with status {status}{}", said())),
            End::Signal(signal) => Err(format!("ended by signal {signal}{}", said())),
            End::Time => Err(format!("took too long{}", said())),
            End::Never => Err(format!("the machine ended before it did{}", said())),
        }
    }
}

/// What somebody else has written, for a cell of a table: one line, not too long, without characters that mean something to Markdown or a terminal.
pub fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() || "|`<>*_[]\\".contains(c) { ' ' } else { c };
    let text: String = text.chars().map(harmless).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => text[..at].to_owned() + "…",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::ROWS;
    use super::*;

    fn of(text: &str) -> Vec<Option<Result<f64, String>>> {
        parse(text, 2).iter().map(|outcome| Some(outcome.as_ref()?.figure(&ROWS[0]))).collect()
    }

    fn good(figure: f64) -> Option<Result<f64, String>> {
        Some(Ok(figure))
    }

    fn bad(why: &str) -> Option<Result<f64, String>> {
        Some(Err(why.to_owned()))
    }

    #[test]
    fn outcomes_are_found_among_a_guests_words() {
        let text = "[ 0.1] boot\r\nbegin 0\r\n| Simple syscall: 0.5 microseconds\r\nend 0 exit 0\r\nbegin 1\r\n| perhaps\r\nend 1 exit 1\r\n";
        assert_eq!(of(text), [good(0.5), bad("ended with status 1: perhaps")]);
    }

    #[test]
    fn every_end_is_told() {
        let end = |how: &str| of(&format!("begin 0\nend 0 {how}\n")).remove(0);
        assert_eq!(end("exit 0"), bad("printed nothing"));
        assert_eq!(end("signal 11"), bad("ended by signal 11"));
        assert_eq!(end("time"), bad("took too long"));
        assert_eq!(end("perhaps"), bad("the machine ended before it did"));
        assert_eq!(of("begin 1\n| PANIC"), [None, bad("the machine ended before it did: PANIC")]);
        assert_eq!(of("begin 0\n| what?\nend 0 exit 0\n"), [bad("printed something else: what?"), None]);
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert_eq!(of(""), [None, None]);
        assert_eq!(
            of("| x\nend 0 exit 0\nend\nbegin\nbegin 2\n| y\nbegin -1\nbegin x\nend 7 time\n"),
            [None, None]
        );
        assert_eq!(of("begin 0\nend 1 exit 3\n"), [bad("the machine ended before it did"), None]);
    }

    #[test]
    fn other_peoples_words_do_no_harm_to_a_table() {
        assert_eq!(plain("a|b\u{1b}[31m  `c` <d>\n"), "a b 31m c d");
        assert_eq!(plain(&"é".repeat(200)), "é".repeat(SHOWN) + "…");
    }
}
