use super::*;

/// What a test wants in a program header.
#[derive(Clone, Copy)]
pub struct Header {
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
    pub size: u64,
}

const fn header(flags: u32, page: u64, pages: u64) -> Header {
    let (offset, size) = (page << 12, pages << 12);
    Header { flags, offset, address: place::IMAGE + offset, file_size: size, size }
}

/// As `server.ld` makes them: text, rodata, data.
pub const GOOD: [Header; 3] = [header(PF_R | PF_X, 1, 3), header(PF_R, 4, 1), header(PF_R | PF_W, 5, 2)];

/// An ELF file of seven pages with these headers.
pub fn file(headers: &[Header]) -> Vec<u8> {
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend([2u16, 62].iter().flat_map(|v| v.to_le_bytes()));
    out.extend(1u32.to_le_bytes());
    out.extend([place::IMAGE + 0x1000, 64, 0].iter().flat_map(|v| v.to_le_bytes()));
    out.extend(0u32.to_le_bytes());
    out.extend([64, 56, headers.len() as u16, 64, 0, 0].iter().flat_map(|v| v.to_le_bytes()));
    for h in headers {
        out.extend([PT_LOAD, h.flags].iter().flat_map(|v| v.to_le_bytes()));
        let words = [h.offset, h.address, h.address, h.file_size, h.size, 0x20_0000];
        out.extend(words.iter().flat_map(|v| v.to_le_bytes()));
    }
    out.resize(7 << 12, 0);
    out
}

fn parse(change: impl FnOnce(&mut [Header; 3])) -> Result<Image, BadImage> {
    let mut headers = GOOD;
    change(&mut headers);
    Image::parse(&file(&headers))
}

#[test]
fn a_server() {
    let image = parse(|_| ()).unwrap();
    let rights: Vec<_> = image.segments().map(|s| s.rights).collect();
    assert_eq!(rights, [Rights::RX, Rights::R, Rights::RW]);
    assert_eq!(image.entry, 0x20_1000);
    assert_eq!(image.segment_at(0x20_4fff).map(|(n, s)| (n, s.rights)), Some((1, Rights::R)));
    assert_eq!(image.segment_at(0x20_7000), None);
    assert_eq!(image.segment_at(0x20_0fff), None);
}

#[test]
fn what_is_no_server_is_told_why() {
    let refused = |part: &str, result: Result<Image, BadImage>| {
        let text = result.expect_err(part).0;
        assert!(text.contains(part), "{text:?} should say {part:?}");
    };
    refused(".bss", parse(|h| h[2].file_size = 0));
    refused("page-aligned", parse(|h| h[1].address += 8));
    refused("page-aligned", parse(|h| h[1].offset += 8));
    refused("page-aligned", parse(|h| (h[1].size, h[1].file_size) = (8, 8)));
    refused("end of the file", parse(|h| (h[2].size, h[2].file_size) = (0x3000, 0x3000)));
    refused("end of the file", parse(|h| h[2].offset = u64::MAX - 0xfff));
    refused("place for images", parse(|h| h[0].address = 0x1000));
    refused("place for images", parse(|h| h[0].address = place::HEAP));
    refused("place for images", parse(|h| h[0].address = u64::MAX - 0xfff));
    refused("writable and executable", parse(|h| h[2].flags |= PF_X));
    refused("share a page", parse(|h| h[1].address = h[0].address));
    refused("share a page", parse(|h| h[1].offset = h[0].offset));
    refused("entry point", parse(|h| h[0].flags = PF_R));
    refused("too many", Image::parse(&file(&[1, 2, 3, 4, 5].map(|page| header(PF_R, page, 1)))));
}

#[test]
fn files_that_are_no_elf() {
    let good = file(&GOOD);
    for len in [0, 3, 16, 63, 64, 100] {
        assert!(Image::parse(&good[..len]).is_err(), "cut to {len} bytes");
    }
    for at in 0..64 {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        // Whatever it says then: no panic. The machine, type and magic must be right.
        let result = Image::parse(&bad);
        assert!(result.is_err() || !(0..6).contains(&at) && !(16..20).contains(&at), "byte {at}");
    }
}
