//! The known name that is most like a mistyped one.

/// Jaro-Winkler similarity from which on a name may have been meant.
const LIKE: f64 = 0.7;

/// The one of `known` that `name` is most like, if it is like any at all.
pub fn best<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let all = known.into_iter().map(|known| (strsim::jaro_winkler(known, name), known));
    let best = all.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness > LIKE).map(|(_, known)| known)
}

/// ` (did you mean …?)`, or nothing.
pub fn suggestion<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    best(name, known).map_or(String::new(), |best| format!(" (did you mean {best}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_nothing_has_no_suggestion() {
        assert_eq!(best("memroy", ["cpus", "memory", "timeout"]), Some("memory"));
        assert_eq!(suggestion("memroy", ["memory"]), " (did you mean memory?)");
        assert_eq!(best("xyzzy", ["cpus", "memory", "timeout"]), None);
        assert_eq!(suggestion("memory", []), "");
    }
}
