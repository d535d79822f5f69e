use super::*;
use crate::image::tests::{GOOD, file};
use crate::machine::NewServer;
use crate::machine::mock::Mock;
use proto::place;

const SET: &str = "\
# the console first
server name=console elf=console prio=200 memory=2097152 ports=0xb00+8 irqs=5
server name=linux elf=linux prio=100 memory=33554432 call=console
";

fn start_with(set: &[u8], programs: &[(&str, &[u8])]) -> (Mock, Result<Root, BootError>) {
    let mut modules = vec![("set", set)];
    modules.extend(programs);
    let mut mock = Mock::new(&modules);
    let result = start(&mut mock);
    (mock, result)
}

fn error(set: &str) -> BootError {
    let elf = file(&GOOD);
    start_with(set.as_bytes(), &[("console", &elf), ("linux", &elf)]).1.err().expect(set)
}

#[test]
fn servers_start_in_order_with_their_shares() {
    let elf = file(&GOOD);
    let (mock, root) = start_with(SET.as_bytes(), &[("console", &elf), ("linux", &elf)]);
    assert!(root.is_ok());
    let new = |name, kernel_frames, priority| NewServer {
        name,
        entry: 0x20_1000,
        stack_end: place::STACK_END,
        kernel_frames,
        priority,
    };
    assert_eq!(mock.tasks, [new("console", 128, 200), new("linux", 3000, 100)]);
    assert_eq!(mock.text(), "", "nothing is printed when all is well");
}

#[test]
fn small_machines_have_small_shares() {
    let mut kip = Kip::EMPTY;
    kip.kernel_frames = 160;
    assert_eq!((kernel_frames(&kip, false), kernel_frames(&kip, true)), (10, 120));
}

#[test]
fn sets_that_cannot_be_started() {
    let line = |name: &str, elf: &str| format!("server name={name} elf={elf} prio=1 memory=0\n");
    assert_eq!(error("# nothing\n"), BootError::Empty);
    assert_eq!(error(&(line("a", "console") + &line("a", "linux"))), BootError::TwiceNamed("a"));
    assert!(matches!(error("server name=a"), BootError::Set(SetError { line: 1, .. })));
    assert_eq!(error(&line("a", "nosuch")), BootError::Elf("a", "nosuch", Refusal::NotFound));
    let twice = line("a", "console") + &line("b", "console");
    assert_eq!(error(&twice), BootError::Elf("b", "console", Refusal::Denied));
    assert!(matches!(error(&line("a", "set")), BootError::Image("a", _)));
    let many: String = (0..=SERVERS).map(|i| line(&format!("s{i}"), "console")).collect();
    assert_eq!(error(&many), BootError::TooMany);
    assert_eq!(start_with(b"\xff", &[]).1.err(), Some(BootError::NotText));
    let mut none = Mock::new(&[]);
    assert_eq!(start(&mut none).err(), Some(BootError::NoSet(Refusal::NotFound)));
}

#[test]
fn a_kernel_that_makes_no_task() {
    let elf = file(&GOOD);
    let mut mock = Mock::new(&[("set", SET.as_bytes()), ("console", &elf), ("linux", &elf)]);
    mock.refuse_tasks = Some(Status::NoMemory);
    assert_eq!(start(&mut mock).err(), Some(BootError::Task("console", Status::NoMemory)));
}

#[test]
fn errors_name_the_server_and_have_the_right_status() {
    let missing = error("server name=a elf=nosuch prio=1 memory=0");
    assert_eq!(missing.to_string(), "server a: there is no boot module \"nosuch\"");
    assert_eq!(missing.exit_status(), exit::NOT_FOUND);
    assert_eq!(BootError::NoSet(Refusal::NotFound).exit_status(), exit::NOT_FOUND);
    assert_eq!(BootError::Empty.exit_status(), exit::VMM);
    assert_eq!(BootError::Task("a", Status::NoMemory).exit_status(), exit::KERNEL_PANIC);
}
