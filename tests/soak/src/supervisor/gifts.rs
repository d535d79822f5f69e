//! What the fuzzer is given: its own memory where it has lost it, and things to play with. Never by a grant: the supervisor keeps
//! what it has.

use crate::image;
use crate::pages::Memory;
use crate::places::{DATA, DATA_PAGES, SUPERPAGE};
use crate::random::Random;
use proto::Message;
use proto::kernel::PageFault;
use ukernel_abi::Label;
use ukernel_abi::layout::{PAGE, USER_END};
use userlib::arena::{Arena, Source};
use userlib::ipc;
use userlib::task::{self, NewTask};
use userlib::{Fpage, MapItem, Me, Rights, Status, root};

const SUPERPAGE_LOG2: u32 = 21;
/// Port and line that the fuzzer may get; nothing is connected to either.
const PORT: u16 = 0x80;
const LINE: u8 = 9;

pub struct Gifts {
    superpage: Option<Arena>,
}

impl Gifts {
    pub fn new(me: Me) -> Self {
        // Without them there is less to try.
        let _ = root::accept_devices();
        let superpage = Arena::reserve(1 << SUPERPAGE_LOG2, Source::Budget)
            .filter(|arena| arena.grow(me.utcb, SUPERPAGE_LOG2).is_ok());
        if let Some(arena) = &superpage {
            // What the kernel needs to pass on parts of it, it keeps as long as the superpage is there.
            let _ = pass_on_part(me, arena.base());
        }
        Self { superpage }
    }

    /// What answers a page fault: an item, or mostly nothing (outer `None`) where the fuzzer has nothing.
    #[expect(clippy::option_option, reason = "no answer is not an answer without an item")]
    pub fn for_fault(&self, fault: &PageFault, r: &mut Random) -> Option<Option<MapItem>> {
        let address = fault.address;
        let known = Memory::FUZZER
            .at(address)
            .filter(|(_, rights)| rights.contains(fault.access))
            .map(|(page, rights)| page.item(rights, address))
            .or_else(|| image::item(address).filter(|_| fault.access != Rights::W))
            .or_else(|| self.superpage(address, fault.access, r));
        match known {
            Some(item) => Some(Some(item)),
            None if address < USER_END && r.chance(30) => Some(Some(page(r, address))),
            None => None,
        }
    }

    /// All of the superpage, or a page of it.
    fn superpage(&self, address: u64, access: Rights, r: &mut Random) -> Option<MapItem> {
        let offset = address.checked_sub(SUPERPAGE).filter(|offset| offset >> SUPERPAGE_LOG2 == 0)?;
        let base = self.superpage.as_ref().filter(|_| access != Rights::X)?.base();
        Some(if r.chance(70) {
            MapItem::map(Fpage::memory(base, SUPERPAGE_LOG2, Rights::RW), SUPERPAGE)
        } else {
            let page = offset & !(PAGE - 1);
            MapItem::map(Fpage::memory(base + page, 12, Rights::RW), SUPERPAGE + page)
        })
    }

    /// Something.
    pub fn any(&self, r: &mut Random) -> MapItem {
        let base = r.word() & !(PAGE - 1);
        match r.below(4) {
            0 => MapItem::map(Fpage::ports(PORT, 0), base),
            1 => MapItem::map(Fpage::irqs(LINE, 0), base),
            2 => match &self.superpage {
                Some(arena) => MapItem::map(Fpage::memory(arena.base(), SUPERPAGE_LOG2, Rights::RW), base),
                None => page(r, base),
            },
            _ => page(r, base),
        }
    }
}

/// Passes on the page at `base`: to a task that faults on its first instruction, and that is all that it does.
fn pass_on_part(me: Me, base: u64) -> Result<(), Status> {
    let (pager, handler) = (me.id, me.id);
    let new = NewTask { flags: 0, ip: SUPERPAGE, sp: 0, pager, handler, kernel_frames: 32, priority: 1 };
    let task = new.make()?;
    let mut answer = Message::new(Label(0), []);
    let item = MapItem::map(Fpage::memory(base, 12, Rights::R), SUPERPAGE);
    let sent = ipc::receive(task, ipc::NEVER).and_then(|_its_fault| {
        let _it_fits = answer.push_item(item);
        ipc::send(task, &answer, ipc::NOW)
    });
    task::delete(task).and(sent)
}

/// One of the pages that are for any use.
fn page(r: &mut Random, base: u64) -> MapItem {
    let address = DATA + r.below(DATA_PAGES) * PAGE;
    let (page, rights) = Memory::FUZZER.at(address).unwrap_or((Memory::FUZZER.census(), Rights::R));
    page.item(rights, base)
}
