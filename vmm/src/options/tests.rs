use super::*;

fn options(text: &str) -> SubOptions {
    SubOptions::parse("--x", text.as_ref()).unwrap()
}

fn refused(text: &str) -> String {
    SubOptions::parse("--x", text.as_ref()).err().expect("should be refused").to_string()
}

#[test]
fn a_path_flags_and_values() {
    let mut disk = options("dir/a=b.img,serial=one=1,ro");
    assert_eq!(disk.path("a file").unwrap(), PathBuf::from("dir/a=b.img"));
    assert!(disk.flag("ro").unwrap());
    assert!(!disk.flag("direct").unwrap());
    assert_eq!(disk.value("serial").unwrap().as_deref(), Some("one=1"));
    assert_eq!(disk.value("id").unwrap(), None);
    disk.finish().unwrap();
}

#[test]
fn a_word_and_repeated_values_in_order() {
    let mut net = options("user,hostfwd=b,mac=1,hostfwd=a");
    assert_eq!(net.word(&["user", "tap"]).unwrap(), "user");
    assert_eq!(net.values("hostfwd").unwrap(), ["b", "a"]);
    assert_eq!(net.required("mac").unwrap(), "1");
    net.finish().unwrap();
}

#[test]
fn two_commas_are_one_in_a_value() {
    let mut share = options("path=a,,b,tag=,,");
    assert_eq!(share.required_path("path").unwrap(), PathBuf::from("a,b"));
    assert_eq!(share.required("tag").unwrap(), ",");
    share.finish().unwrap();
    let mut share = options("tag=a,,,path=b");
    assert_eq!(share.required("tag").unwrap(), "a,");
    assert_eq!(share.required("path").unwrap(), "b");
}

#[test]
fn paths_need_not_be_text_and_other_values_must() {
    let odd = OsStr::from_bytes(b"path=\xff,tag=\xff");
    let mut share = SubOptions::parse("--x", odd).unwrap();
    assert_eq!(share.required_path("path").unwrap().as_os_str().as_bytes(), b"\xff");
    let error = share.required("tag").unwrap_err().to_string();
    assert!(error.ends_with("tag is not UTF-8 text"), "{error}");
}

#[test]
fn empty_items() {
    for text in [",", "a,", ",a", "a, ,", "=b", "a,=b"] {
        assert!(refused(text).contains("an item is empty"), "{text}");
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        options("").path("a file").unwrap_err().to_string(),
        "--x: it begins with a file, which is missing"
    );
    let error = options("").word(&["user", "tap"]).unwrap_err().to_string();
    assert_eq!(error, "--x: \"\" is not one of user, tap");
    let error = options("tag=a").required_path("path").unwrap_err().to_string();
    assert_eq!(error, "--x tag=a: path=… is missing");
    for text in ["tag", "tag="] {
        let error = options(text).required("tag").unwrap_err().to_string();
        assert_eq!(error, format!("--x {text}: tag needs a value: tag=…"));
    }
}

#[test]
fn what_is_too_much_is_named() {
    assert!(options("ro=1").flag("ro").unwrap_err().to_string().ends_with("ro is a flag and takes no value"));
    assert!(options("ro,ro").flag("ro").unwrap_err().to_string().ends_with("ro is given more than once"));
    assert!(options("a=1,a=2").value("a").unwrap_err().to_string().ends_with("a is given more than once"));
    assert!(
        options("a=1,a=2").required_path("a").unwrap_err().to_string().ends_with("a is given more than once")
    );
}

#[test]
fn unknown_names_come_with_what_is_known_and_a_suggestion() {
    let unknown = |text: &str| {
        let mut net = options(text);
        net.values("hostfwd").unwrap();
        net.value("mac").unwrap();
        net.flag("ro").unwrap();
        net.finish().unwrap_err().to_string()
    };
    assert_eq!(
        unknown("hostfw=1"),
        "--x hostfw=1: unknown \"hostfw\" (did you mean hostfwd?); known: hostfwd=…, mac=…, ro"
    );
    assert_eq!(unknown("quux"), "--x quux: unknown \"quux\"; known: hostfwd=…, mac=…, ro");
    let error = options("usre").word(&["user", "tap"]).unwrap_err().to_string();
    assert_eq!(error, "--x usre: unknown \"usre\" (did you mean user?); known: user, tap");
    assert!(options("user=1").word(&["user", "tap"]).is_err());
}

#[test]
fn a_bad_value_says_what_it_is_not() {
    let error = options("mac=x").bad_value("x", "a MAC address such as 52:54:00:12:34:56").to_string();
    assert_eq!(error, "--x mac=x: \"x\" is not a MAC address such as 52:54:00:12:34:56");
}
