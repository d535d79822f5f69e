//! A relative path in a settings file starts at the folder of that file, wherever `ukvmm` is run.
//!
//! What is a path in a value, its name in `--help` says: what is called [`PLACES`] there. `FILE[,ro]` begins with one, `tag=NAME,path=FOLDER` has one
//! as its item `path`, and `tcp:…|unix:PATH` is one behind `unix:`. Of `NAME|FILE`, whatever does not look like a path is a name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What paths are called.
const PLACES: [&str; 5] = ["FILE", "FOLDER", "DIR", "PATH", "SOCKET"];
/// Standard output, where a file may be named.
const STANDARD: &[u8] = b"-";

/// Whether a value called `name` is a path or has one in it.
pub fn has_path(name: &str) -> bool {
    name.split(|c: char| !c.is_ascii_alphabetic()).any(|word| PLACES.contains(&word))
}

/// `value`, which is called `name`, with its paths starting at `base`.
pub fn resolve(name: &str, value: &OsStr, base: &Path) -> OsString {
    if !has_path(name) {
        return value.to_owned();
    }
    let has_items = name.contains([',', '=']);
    if !has_items {
        return OsString::from_vec(first(name, value.as_bytes(), base.as_os_str().as_bytes()));
    }
    let base = doubled(base.as_os_str().as_bytes());
    let items = items(value.as_bytes());
    let items = items.into_iter().enumerate().map(|(n, item)| match item.iter().position(|&b| b == b'=') {
        Some(at) if is_key(name, &item[..at]) => [&item[..=at], &*joined(&base, &item[at + 1..])].concat(),
        _ if n == 0 => first(name, item, &base),
        _ => item.to_vec(),
    });
    OsString::from_vec(items.collect::<Vec<_>>().join(&b','))
}

/// The item at the beginning, or all there is.
fn first(name: &str, item: &[u8], base: &[u8]) -> Vec<u8> {
    let forms: Vec<&str> = name.split(['[', ',']).next().unwrap_or(name).split('|').collect();
    // Further forms stand behind the first one's items.
    let more = name.split('|').skip(1).map(|form| form.split(['[', ',']).next().unwrap_or(form));
    for form in forms.iter().copied().chain(more) {
        match form.rsplit_once(':') {
            Some((prefix, place)) if PLACES.contains(&place) => {
                let prefix = [prefix.as_bytes(), b":"].concat();
                if let Some(path) = item.strip_prefix(&*prefix) {
                    return [prefix, joined(base, path)].concat();
                }
            }
            None if PLACES.contains(&form) && (!forms.contains(&"NAME") || looks_like_a_path(item)) => {
                return joined(base, item);
            }
            _ => {}
        }
    }
    item.to_vec()
}

/// Whether the item with this key is a path.
fn is_key(name: &str, key: &[u8]) -> bool {
    let of_item = |item: &str| {
        let (its, place) = item.split_once('=')?;
        let place = place.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        Some(its.as_bytes() == key && PLACES.contains(&place))
    };
    name.split([',', '[', ']', ' ']).any(|item| of_item(item) == Some(true))
}

fn joined(base: &[u8], path: &[u8]) -> Vec<u8> {
    if path.is_empty() || path == STANDARD || path.starts_with(b"/") || base.is_empty() {
        return path.to_vec();
    }
    [base, b"/", path].concat()
}

/// A name of something that is looked up has neither.
pub fn looks_like_a_path(text: &[u8]) -> bool {
    text.contains(&b'/') || text.ends_with(b".toml")
}

/// At single commas; two are one that belongs to the item, and stay two.
fn items(value: &[u8]) -> Vec<&[u8]> {
    let (mut items, mut from, mut at) = (Vec::new(), 0, 0);
    while at < value.len() {
        match (value[at], value.get(at + 1)) {
            (b',', Some(b',')) => at += 1,
            (b',', _) => {
                items.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    items.push(&value[from..]);
    items
}

/// With every comma twice, as one that belongs to an item.
pub fn doubled(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == b',' { 2 } else { 1 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: &str) {
        assert_eq!(resolve(name, value.as_ref(), "/b,c".as_ref()), expected, "{name} {value}");
    }

    #[test]
    fn the_name_of_a_value_says_what_of_it_is_a_path() {
        check("FILE", "k,1.elf", "/b,c/k,1.elf");
        check("FILE", "/k", "/k");
        check("SIZE", "1G", "1G");
        check("FILE[,ro][,serial=TEXT]", "a,,b.img,ro,serial=x", "/b,,c/a,,b.img,ro,serial=x");
        check("FILE[,format=NAME]", "-,format=html", "-,format=html");
        check("tag=NAME,path=FOLDER[,ro]", "tag=a,path=src,ro", "tag=a,path=/b,,c/src,ro");
        check("name=TEXT,path=FILE[,listen]|pty", "name=t,pty", "name=t,pty");
        check("name=TEXT,path=FILE[,listen]|pty", "path=p,listen", "path=/b,,c/p,listen");
        check("tcp:[ADDRESS:]PORT|unix:PATH[,wait=on|off]", "unix:s,wait=on", "unix:/b,,c/s,wait=on");
        check("tcp:[ADDRESS:]PORT|unix:PATH[,wait=on|off]", "tcp:1234", "tcp:1234");
        check("NAME=VALUE", "HOME=x", "HOME=x");
    }

    #[test]
    fn a_name_stays_one() {
        check("NAME|FILE", "linux", "linux");
        check("NAME|FILE", "my.toml", "/b,c/my.toml");
        check("NAME|FILE", "./linux", "/b,c/./linux");
    }
}
