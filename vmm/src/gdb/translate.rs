//! Packets of GDB's multiprocess extension in terms of one process, and answers back.
//!
//! What is rewritten are thread ids: `pPID.TID` becomes one number for crate `gdbstub`, and its numbers become `pPID.TID`.

use super::ids::{self, Id, Of};
use crate::debug::thread::Thread;

/// One thread that `id` means, of `threads`: the current one if it fits.
pub fn choose(id: Id, threads: &[Thread], current: Thread) -> Option<Thread> {
    let fits = |thread: &Thread| {
        let process = match id.process {
            Of::One(process) => thread.process == process,
            Of::Any | Of::All => true,
        };
        let number = match id.number {
            Of::One(number) => thread.number == number,
            Of::Any | Of::All => true,
        };
        process && number
    };
    let current = Some(current).filter(|current| threads.contains(current) && fits(current));
    current.or_else(|| threads.iter().copied().find(fits))
}

/// Rewrites a request; `None` if it is malformed. `Hg` names one thread by now ([`choose`]).
pub fn request(body: &[u8]) -> Option<Vec<u8>> {
    if let Some(id) = body.strip_prefix(b"Hg") {
        return with_thread(b"Hg", Id::parse(id)?.thread()?);
    }
    if let Some(id) = body.strip_prefix(b"Hc") {
        return match Id::parse(id)?.thread() {
            Some(thread) => with_thread(b"Hc", thread),
            None => Some(b"Hc-1".to_vec()),
        };
    }
    if let Some(id) = body.strip_prefix(b"T") {
        return with_thread(b"T", Id::parse(id)?.thread()?);
    }
    if let Some(id) = body.strip_prefix(b"qThreadExtraInfo,") {
        return with_thread(b"qThreadExtraInfo,", Id::parse(id)?.thread()?);
    }
    match body.strip_prefix(b"vCont;") {
        Some(actions) => actions_of(actions),
        None => Some(body.to_vec()),
    }
}

fn with_thread(prefix: &[u8], thread: Thread) -> Option<Vec<u8>> {
    ids::pack(thread)?;
    Some([prefix, ids::write(thread, false).as_bytes()].concat())
}

/// An action for one thread stays one. An action for all threads of one process is one for all: the machine runs as a whole.
fn actions_of(actions: &[u8]) -> Option<Vec<u8>> {
    let mut all = b"vCont".to_vec();
    for action in actions.split(|&byte| byte == b';') {
        all.push(b';');
        let mut parts = action.splitn(2, |&byte| byte == b':');
        all.extend(parts.next()?);
        if let Some(thread) = parts.next().map(Id::parse).map_or(Some(None), |id| id.map(Id::thread))? {
            ids::pack(thread)?;
            all.push(b':');
            all.extend(ids::write(thread, false).as_bytes());
        }
    }
    Some(all)
}

/// Whether this has the threads of one process run, and says nothing of the others.
pub fn is_for_one_process(body: &[u8]) -> bool {
    let Some(actions) = body.strip_prefix(b"vCont;") else { return false };
    let default = actions.rsplit(|&byte| byte == b';').next().unwrap_or_default();
    let id = default.splitn(2, |&byte| byte == b':').nth(1).and_then(Id::parse);
    matches!(id, Some(Id { process: Of::One(_), number: Of::All }))
}

/// Rewrites an answer to `thread:` in a stop reply: `T05thread:50002;…`.
pub fn stop_reply(body: &[u8], multiprocess: bool) -> Vec<u8> {
    let parts = body.split(|&byte| byte == b';').map(|part| {
        let at = part.windows(7).position(|window| window == b"thread:");
        let thread = at.and_then(|at| Id::parse(&part[at + 7..])?.thread().map(|thread| (at, thread)));
        match thread {
            Some((at, thread)) => [&part[..at + 7], ids::write(thread, multiprocess).as_bytes()].concat(),
            None => part.to_vec(),
        }
    });
    parts.collect::<Vec<_>>().join(&b';')
}

/// The threads in an answer to `qfThreadInfo`: `m50002,50003`.
pub fn thread_list(body: &[u8]) -> Vec<Thread> {
    let list = body.strip_prefix(b"m").unwrap_or_default();
    list.split(|&byte| byte == b',').filter_map(|id| Id::parse(id)?.thread()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::thread::Process;

    const fn thread(process: u32, number: u32) -> Thread {
        Thread { process: Process(process), number }
    }

    fn rewritten(body: &str) -> Option<String> {
        request(body.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn threads_are_named_by_one_number() {
        for (body, expected) in [
            ("Hgp5.1", "Hg50001"),
            ("Hgp10000.1", "Hg100000001"),
            ("Tp5.2", "T50002"),
            ("qThreadExtraInfo,p5.2", "qThreadExtraInfo,50002"),
            ("Hcp5.1", "Hc50001"),
            ("Hcp5.-1", "Hc-1"),
            ("Hc-1", "Hc-1"),
            ("m1000,8", "m1000,8"),
        ] {
            assert_eq!(rewritten(body).as_deref(), Some(expected));
        }
    }

    #[test]
    fn any_thread_is_the_current_one_if_it_fits() {
        let threads = [thread(0x1_0000, 1), thread(1, 1), thread(5, 1), thread(5, 2)];
        let chosen = |id: &str| choose(Id::parse(id.as_bytes()).unwrap(), &threads, thread(5, 2));
        assert_eq!(chosen("0"), Some(thread(5, 2)));
        assert_eq!(chosen("p5.0"), Some(thread(5, 2)));
        assert_eq!(chosen("p1.0"), Some(thread(1, 1)));
        assert_eq!(chosen("-1"), Some(thread(5, 2)));
        assert_eq!(chosen("p9.0"), None);
        assert_eq!(chosen("p5.3"), None);
    }

    #[test]
    fn what_is_for_one_process_is_for_the_machine() {
        for (body, expected) in [
            ("vCont;c:p5.-1", "vCont;c"),
            ("vCont;c", "vCont;c"),
            ("vCont;s:p5.2;c:p5.-1", "vCont;s:50002;c"),
            ("vCont;r1000,1010:p5.2;c", "vCont;r1000,1010:50002;c"),
            ("vCont;C0b:p5.2;c:-1", "vCont;C0b:50002;c"),
            ("vCont;s:p5.2", "vCont;s:50002"),
            ("vCont?", "vCont?"),
        ] {
            assert_eq!(rewritten(body).as_deref(), Some(expected));
        }
        for malformed in
            ["vCont;c:", "vCont;c:x", "vCont;s:p5.2:", "T", "Tp5.0", "Hg", "Hg0", "qThreadExtraInfo,"]
        {
            assert_eq!(rewritten(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn it_is_seen_when_one_process_is_to_run() {
        assert!(is_for_one_process(b"vCont;c:p5.-1"));
        assert!(is_for_one_process(b"vCont;s:p5.2;c:p5.-1"));
        for all in [&b"vCont;c"[..], b"vCont;s:p5.2", b"vCont;s:p5.2;c", b"vCont?", b"m0,1"] {
            assert!(!is_for_one_process(all));
        }
    }

    #[test]
    fn answers_name_process_and_thread() {
        let stop = |body: &str| String::from_utf8(stop_reply(body.as_bytes(), true)).unwrap();
        assert_eq!(stop("T05thread:050002;swbreak:;"), "T05thread:p5.2;swbreak:;");
        assert_eq!(stop("T05thread:050002;watch:01000;"), "T05thread:p5.2;watch:01000;");
        assert_eq!(stop("S05"), "S05");
        assert_eq!(thread_list(b"m050001,050002"), [thread(5, 1), thread(5, 2)]);
        assert_eq!(thread_list(b"m"), []);
    }
}
