use super::*;

const MINIMAL: &str = "[[server]]\nname = 'a'\nprio = 1\nmemory = '1M'\n";

fn parse(text: &str) -> Result<ServerSet, String> {
    ServerSet::parse(text, Path::new("test.toml")).map_err(|e| e.to_string())
}

#[test]
fn a_set_becomes_lines_that_root_can_read() {
    let mut set = parse(
        "initrd = 'images/initrd.cpio'\n[[server]]\nname = 'console'\nelf = 'cons'\nprio = 200\nmemory = '2M'\n\
         ports = [[0xb00, 8], [0x3f8, 8]]\nirqs = [5, 4]\nrestart = 'never'\n\
         [[server]]\nname = 'linux'\nprio = 100\nmemory = '16M'\nmay_call = ['console', 'root']\nargs = ['a b']\n",
    )
    .unwrap();
    assert!(set.add_arg("linux", "--strace") && !set.add_arg("absent", "x"));
    assert_eq!(set.initrd.as_deref(), Some(Path::new("images/initrd.cpio")));
    assert_eq!(set.elfs(), ["cons", "linux"]);
    let lines = set.to_lines();
    assert_eq!(
        lines,
        "server name=console elf=cons prio=200 memory=2097152 ports=0xb00+8,0x3f8+8 irqs=5,4\n\
         server name=linux elf=linux prio=100 memory=16777216 call=console,root args=a%20b,--strace\n"
    );
    assert!(vmm_abi::set::servers(&lines).all(|s| s.is_ok()));
}

#[test]
fn drivers_have_more_to_say() {
    let set = parse(
        "[[server]]\nname = 'block'\nprio = 200\nmemory = '1M'\ndevices = ['block:0', 'rng:1']\nrestart = 'always'\n\
         watchdog = '20ms'\n[[server]]\nname = 'test'\nprio = 100\nmemory = '1M'\nmay_kill = ['block']\n",
    );
    assert_eq!(
        set.unwrap().to_lines(),
        "server name=block elf=block prio=200 memory=1048576 devices=block:0,rng:1 restart=always watchdog=20\n\
         server name=test elf=test prio=100 memory=1048576 kill=block\n"
    );
}

#[test]
fn servers_without_their_devices_are_left_out() {
    let text = "[[server]]\nname = 'block'\nprio = 200\nmemory = '1M'\ndevices = ['block:0', 'block:1']\nrestart = 'always'\n\
                optional = true\n[[server]]\nname = 'test'\nprio = 100\nmemory = '1M'\nmay_call = ['block', 'root']\n\
                may_kill = ['block']\n";
    let lines = |index| {
        let mut set = parse(text).unwrap();
        set.leave_out(|device| device.index == index);
        (set.elfs().len(), set.to_lines())
    };
    let whole = parse(text).unwrap().to_lines();
    assert_eq!((lines(0), lines(1)), ((2, whole.clone()), (2, whole)), "one of them is enough");
    assert_eq!(lines(2), (1, "server name=test elf=test prio=100 memory=1048576 call=root\n".into()));
    // One that is not optional is there, and says itself that it has nothing to drive.
    let mut set = parse(&text.replace("optional = true", "")).unwrap();
    set.leave_out(|_| false);
    assert_eq!(set.servers.len(), 2);
}

#[test]
fn the_sets_of_the_repository_are_valid() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/servers");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let set = ServerSet::parse(&std::fs::read_to_string(&path).unwrap(), &path).unwrap();
        assert!(vmm_abi::set::servers(&set.to_lines()).all(|s| s.is_ok()), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn errors_of_the_format_name_file_and_line() {
    for (text, expected) in [
        ("[[server]\n", "line 1"),
        ("\n\n[[server]]\nnam = 'a'\n", "line 4"),
        ("unknown = 1\n", "unknown field `unknown`"),
        ("[[server]]\nname = 'a'\n", "missing field"),
        ("[[server]]\nname = 'a'\nprio = 256\nmemory = '1M'\n", "line 3"),
        ("[[server]]\nname = 'a'\nprio = 1\nmemory = 'lots'\n", "not an amount of memory"),
        (&format!("{MINIMAL}ports = [[0xffff, 2]]\n"), "not a range of ports"),
        (&format!("{MINIMAL}restart = 'sometimes'\n"), "unknown variant"),
        (&format!("{MINIMAL}devices = ['disk:0']\n"), "not a device"),
        (&format!("{MINIMAL}watchdog = '20'\n"), "not a time"),
        (&format!("{MINIMAL}watchdog = '0ms'\n"), "not a time"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("server set test.toml: "), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn errors_of_meaning_name_the_server() {
    for (text, expected) in [
        (MINIMAL.replace("'a'", "'../a'"), "is not a name"),
        (MINIMAL.replace("'a'", "'root'"), "is taken"),
        (MINIMAL.replace("'a'", "'argv'"), "is taken"),
        (format!("{MINIMAL}{MINIMAL}"), "two of this name"),
        (format!("{MINIMAL}irqs = [64]\n"), "no line 64"),
        (format!("{MINIMAL}may_call = ['b']\n"), "no server \"b\""),
        (format!("{MINIMAL}args = ['']\n"), "is empty"),
        (format!("{MINIMAL}elf = 'x/y'\n"), "is not a name"),
        (format!("{MINIMAL}restart = 'always'\n"), "the last server"),
        (format!("{MINIMAL}watchdog = '20ms'\n"), "needs restart"),
        (format!("{MINIMAL}optional = true\n"), "only a server with devices"),
        (format!("{MINIMAL}devices = ['rng:0']\noptional = true\n"), "and not the last"),
        (format!("{MINIMAL}may_kill = ['a']\n"), "no server \"a\" with restart"),
        (
            format!("{MINIMAL}devices = ['rng:0']\n{}devices = ['rng:0']\n", MINIMAL.replace("'a'", "'b'")),
            "another server's",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains("server set test.toml: server \""), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}
