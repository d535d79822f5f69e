//! A static Rust program: what the standard library needs of a Linux kernel. Its output is the same everywhere.
//!
//! usage: std DIRECTORY [WORD…] <TEXT

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, panic};

fn environment(words: &[String]) {
    println!("arguments: {words:?}");
    println!("PATH is set: {}", env::var_os("PATH").is_some());
    println!("current directory: {}", env::current_dir().is_ok_and(|d| d.is_absolute()));
}

fn collections() {
    let mut squares: HashMap<u64, u64> = (0..10_000).map(|n| (n, n * n)).collect();
    squares.retain(|n, _| n % 3 == 0);
    println!("hash map: {} entries, sum {}", squares.len(), squares.values().sum::<u64>());
    let words = "the quick brown fox jumps over the lazy dog the end".split(' ');
    let mut counts = BTreeMap::<&str, usize>::new();
    words.for_each(|w| *counts.entry(w).or_default() += 1);
    println!("tree map: {counts:?}");
    let mut numbers: Vec<u32> = (0..100_000u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    numbers.sort_unstable();
    println!("sorted: {} … {}", numbers[0], numbers[numbers.len() - 1]);
    let text: String = "größer".chars().rev().collect();
    println!("text: {text} {:?} {:.3} {:>8} {:#x}", text.to_uppercase(), 2f64.sqrt(), "right", 48879);
}

fn files(dir: &str) -> io::Result<()> {
    fs::create_dir_all(format!("{dir}/a/b"))?;
    env::set_current_dir(dir)?;
    fs::write("a/one", "first\nsecond\n")?;
    let copied = fs::copy("a/one", "a/b/two")?;
    let mut file = fs::File::options().read(true).append(true).open("a/b/two")?;
    writeln!(file, "third")?;
    file.seek(SeekFrom::Start(6))?;
    let mut rest = String::new();
    file.read_to_string(&mut rest)?;
    println!("copied {copied}, rest {rest:?}, length {}", file.metadata()?.len());
    fs::rename("a/b/two", "a/moved")?;
    std::os::unix::fs::symlink("moved", "a/link")?;
    fs::hard_link("a/one", "a/hard")?;
    let mut names: Vec<_> = fs::read_dir("a")?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    println!("{names:?}, link to {:?}", fs::read_link("a/link")?);
    println!("canonical: {}", fs::canonicalize("a/link")?.ends_with("a/moved"));
    println!("missing: {:?}", fs::read("a/missing").map_err(|e| e.kind()));
    println!("not empty: {:?}", fs::remove_dir("a").map_err(|e| e.kind()));
    println!("is a directory: {:?}", fs::read("a").map_err(|e| e.kind()));
    env::set_current_dir("..")?;
    fs::remove_dir_all(dir)?;
    println!("removed: {}", !fs::exists(dir)?);
    Ok(())
}

fn processes() -> io::Result<()> {
    // Spawned by posix_spawn (vfork and exec).
    let output = Command::new("/bin/busybox").args(["sh", "-c", "echo out; echo err >&2; exit 4"]).output()?;
    println!("output: {:?} {:?} {:?}", output.status, String::from_utf8_lossy(&output.stdout), output.stderr);
    let mut sort = Command::new("/bin/busybox").arg("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    sort.stdin.take().expect("a pipe").write_all(b"pear\napple\nfig\n")?;
    println!("sorted by a child: {:?}", String::from_utf8_lossy(&sort.wait_with_output()?.stdout));
    // Spawned by fork and exec, for the change of directory.
    let status = Command::new("/bin/busybox").args(["test", "-d", "bin"]).current_dir("/").env_clear().status()?;
    println!("in another directory: {status:?}");
    let mut sleeper = Command::new("/bin/busybox").args(["sleep", "100"]).spawn()?;
    println!("still there: {}", sleeper.try_wait()?.is_none());
    sleeper.kill()?;
    println!("killed: {:?}", sleeper.wait()?);
    println!("no such program: {:?}", Command::new("/no/such/program").status().map_err(|e| e.kind()));
    Ok(())
}

fn panics() {
    panic::set_hook(Box::new(|info| eprintln!("hook: {}", info.payload_as_str().unwrap_or("?"))));
    let caught = panic::catch_unwind(|| {
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                println!("dropped while unwinding");
            }
        }
        let _guard = Guard;
        let list = [1, 2, 3];
        let index = std::hint::black_box(7);
        list[index]
    });
    println!("caught: {}", caught.is_err());
    let caught = panic::catch_unwind(|| std::hint::black_box("x").parse::<i32>().map_err(|_| panic!("plain words")));
    println!("caught: {}", caught.is_err());
}

fn time() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    let slept = start.elapsed();
    println!("slept: {} {}", slept >= Duration::from_millis(20), slept < Duration::from_secs(10));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    println!("after 2019: {}", now.is_ok_and(|n| n.as_secs() > 1_577_836_799));
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let Some((dir, words)) = words.split_first() else { return ExitCode::from(2) };
    environment(words);
    collections();
    if let Err(e) = files(dir).and_then(|()| processes()) {
        println!("failed: {e}");
        return ExitCode::FAILURE;
    }
    panics();
    time();
    let lines: Vec<String> = io::stdin().lock().lines().map_while(Result::ok).collect();
    println!("input: {} lines, longest {:?}", lines.len(), lines.iter().max_by_key(|l| l.len()));
    eprintln!("the end, on standard error");
    ExitCode::from(44)
}
