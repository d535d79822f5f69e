//! Programs that want to use everything up.

use super::world::World;
use crate::errno::Errno;
use crate::fs::pipe::pipe;
use linux_raw_sys::general as raw;

#[test]
fn deep_directories_are_no_deep_recursion() {
    // The names are what limits it; dropping the whole tree must not take a stack as deep as it is.
    let w = World::with_frames(40_000);
    w.chdir("/");
    let mut depth = 0;
    while w.mkdir("d").is_ok() {
        let next = w.lookup("d", true).unwrap();
        *w.info.cwd.borrow_mut() = next;
        depth += 1;
    }
    assert_eq!(depth, 19_999);
    assert_eq!(w.mkdir("d"), Err(Errno::ENOSPC));
    let path = w.ctx().cwd().path(w.vfs.root());
    assert_eq!(path.len(), 2 * depth);
    for _ in 0..depth {
        w.chdir("..");
        w.rmdir("d").unwrap();
    }
    assert_eq!(w.list("/"), Vec::<String>::new());
}

#[test]
fn files_fill_memory_and_pipes_still_work() {
    let w = World::with_frames(512);
    let file = w.open("/f", raw::O_CREAT | raw::O_WRONLY).unwrap();
    while w.write(&file, &[1; 65536]).is_ok() {}
    let (r, wr) = pipe(&w.ctx(), 0).unwrap();
    w.write(&wr, b"alive").unwrap();
    assert_eq!(w.read(&r, 9).unwrap(), b"alive");
}

#[test]
fn pipes_fill_memory_and_give_it_back() {
    let w = World::with_frames(64);
    let mut held = Vec::new();
    loop {
        let ends = pipe(&w.ctx(), 0).unwrap();
        let result = w.write(&ends.1, &[1; 65536]);
        held.push(ends);
        if result == Err(Errno::ENOMEM) {
            break;
        }
    }
    assert_eq!(w.vfs.pool().free_frames(), 0);
    assert_eq!(
        w.open("/f", raw::O_CREAT | raw::O_WRONLY).map(|f| w.write(&f, b"x")).unwrap(),
        Err(Errno::ENOSPC)
    );
    drop(held);
    assert_eq!(w.vfs.pool().free_frames(), 64);
}

#[test]
fn long_links_are_paid_for() {
    let w = World::with_frames(64);
    let text = "x".repeat(4000);
    let made = (0..100).take_while(|i| w.symlink(&text, &format!("/{i}")).is_ok()).count();
    assert_eq!(made, 31);
    assert_eq!(w.vfs.pool().free_frames(), 64 - made);
    for i in 0..made {
        w.unlink(&format!("/{i}")).unwrap();
    }
    assert_eq!(w.vfs.pool().free_frames(), 64);
}

#[test]
fn whoever_stands_in_a_removed_tree_lets_go_of_it_on_a_small_stack() {
    let test = || {
        let w = World::with_frames(40_000);
        w.chdir("/");
        let mut deepest = w.find("/");
        while w.mkdir("d").is_ok() {
            w.chdir("d");
            deepest = w.ctx().cwd();
        }
        // From the bottom up; the deepest is held all the time.
        while !w.list("/").is_empty() {
            w.rmdir("../d").unwrap();
            w.chdir("..");
        }
        w.chdir("/");
        assert!(w.list("/").is_empty());
        assert_eq!(w.find("/").inode().statfs().free_files, 0);
        drop(deepest);
        assert_eq!(w.find("/").inode().statfs().free_files, 19_999);
    };
    std::thread::Builder::new().stack_size(64 << 10).spawn(test).unwrap().join().unwrap();
}
