//! Whose an access is. A trace tells user and kernel mode apart, but not one program from another; what it does tell is when the address space changes.
//!
//! A round begins and ends in the program that measures. So the pages that are touched in user mode before the first change and behind the last one are the program's; a stretch between
//! two changes is the program's, too, if most of what it touches is. (A page may belong to several: the gate to the kernel, or memory that a program shares with a server.)

use crate::trace::{Access, Record, Who};
use std::collections::HashSet;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    Program,
    /// A server, or another program.
    Server,
    Kernel,
    Host,
}

impl Side {
    pub const ALL: [Self; 4] = [Self::Program, Self::Server, Self::Kernel, Self::Host];

    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Server => "server",
            Self::Kernel => "kernel",
            Self::Host => "host",
        }
    }
}

/// An access and whose it is.
pub type Owned = (Side, Access);

const PAGE: u64 = 4096;

/// The rounds of one metric.
pub fn attribute(rounds: &[Vec<Record>]) -> Vec<Vec<Owned>> {
    let rounds: Vec<Vec<&[Record]>> = rounds.iter().map(|round| stretches(round)).collect();
    let ends = rounds.iter().flat_map(|round| round.first().into_iter().chain(round.last()));
    let own: HashSet<u64> = ends.flat_map(|stretch| pages(stretch)).collect();
    rounds.iter().map(|round| round.iter().flat_map(|stretch| owned(stretch, &own)).collect()).collect()
}

/// What lies between changes of the address space.
fn stretches(round: &[Record]) -> Vec<&[Record]> {
    round.split(|record| *record == Record::NewSpace).collect()
}

fn accesses(stretch: &[Record]) -> impl Iterator<Item = &Access> {
    stretch.iter().filter_map(|record| match record {
        Record::Access(access) => Some(access),
        _ => None,
    })
}

/// The page of each access in user mode.
fn pages(stretch: &[Record]) -> impl Iterator<Item = u64> {
    accesses(stretch).filter(|access| access.who == Who::User).map(|access| access.address / PAGE)
}

fn owned(stretch: &[Record], own: &HashSet<u64>) -> impl Iterator<Item = Owned> {
    let (mut of_program, mut all) = (0_usize, 0_usize);
    for page in pages(stretch) {
        of_program += usize::from(own.contains(&page));
        all += 1;
    }
    let user = if of_program * 2 >= all { Side::Program } else { Side::Server };
    accesses(stretch).map(move |access| {
        let side = match access.who {
            Who::User => user,
            Who::Kernel => Side::Kernel,
            Who::Host => Side::Host,
        };
        (side, *access)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Kind;

    fn fetch(who: Who, page: u64) -> Record {
        Record::Access(Access { kind: Kind::Fetch, who, address: page * PAGE, size: 1 })
    }

    /// The program calls a server by way of the kernel. Page 9 is both's.
    #[test]
    fn stretches_are_told_by_what_they_touch() {
        use Who::{Host, Kernel, User};
        let call = [fetch(User, 1), fetch(User, 9), fetch(Kernel, 5), Record::NewSpace, fetch(Kernel, 5)];
        let serve = [fetch(User, 9), fetch(User, 2), fetch(User, 2), fetch(Host, 7), Record::NewSpace];
        let round = [&call[..], &serve, &[fetch(User, 1)]].concat();
        let sides: Vec<_> = attribute(&[round]).remove(0).into_iter().map(|(side, _)| side).collect();
        use Side as S;
        assert_eq!(
            sides,
            [
                S::Program,
                S::Program,
                S::Kernel,
                S::Kernel,
                S::Server,
                S::Server,
                S::Server,
                S::Host,
                S::Program
            ]
        );
    }

    #[test]
    fn the_same_program_may_come_back_by_way_of_another_space() {
        let round = [
            fetch(Who::User, 1),
            Record::NewSpace,
            fetch(Who::User, 2),
            Record::NewSpace,
            fetch(Who::User, 1),
            Record::NewSpace,
            Record::NewSpace,
            fetch(Who::User, 3),
        ];
        let sides: Vec<_> = attribute(&[round.into()]).remove(0).into_iter().map(|(side, _)| side).collect();
        assert_eq!(sides, [Side::Program, Side::Server, Side::Program, Side::Program]);
        assert_eq!(attribute(&[vec![]]), [vec![]]);
    }
}
