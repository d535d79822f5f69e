//! How far the times of a profile can be trusted, in one paragraph that every report has.
//!
//! It says what was found, and no more than that: a paragraph that praises its clock would not be read.

use crate::file::{Alignment, Certificate, Header, KernelMode, RingEnd, Sampling, Ticks, Trailer, Vcpu};

/// The paragraph, without a line break.
pub fn text(header: &Header, trailer: Option<&Trailer>) -> String {
    let Some(trailer) = trailer else {
        return format!(
            "The profile was cut off: ukvmm did not end by itself, so nothing is known of its clock but that KVM gave it {}.",
            mhz(header.tsc_khz as f64)
        );
    };
    let certificate = &trailer.certificate;
    let mut sentences = vec![ticks(header, certificate)];
    sentences.extend(kernel_mode(header));
    sentences.push(alignment(header, certificate.alignment.as_ref()));
    sentences.extend(disturbances(certificate));
    sentences.extend(certificate.sampling.as_ref().map(sampling));
    sentences.push(losses(&trailer.rings));
    sentences.join(" ")
}

/// What the clock counts, and how fast.
fn ticks(header: &Header, certificate: &Certificate) -> String {
    let rate = mhz(header.tsc_khz as f64);
    if certificate.ticks == Ticks::Instructions {
        return format!(
            "Ticks are instructions: the machine is emulated (QEMU, -icount), and its TSC counts one for each instruction that anybody executes, \
             the host included ({rate} by KVM). They say nothing of caches, of memory, or of what an expensive instruction costs."
        );
    }
    let kind =
        if certificate.invariant { "an invariant TSC" } else { "a TSC that the CPU does not call invariant" };
    let measured = match certificate.measured_khz {
        Some(measured) if header.tsc_khz > 0 => {
            let ppm = (measured / header.tsc_khz as f64 - 1.0) * 1e6;
            format!(", {} by the host's clock during the run ({ppm:+.0} ppm)", mhz(measured))
        }
        _ => String::new(),
    };
    let resolution = certificate.resolution;
    format!("Ticks are those of {kind}: {rate} by KVM{measured}; two readings are {resolution} apart.")
}

fn kernel_mode(header: &Header) -> Option<String> {
    let text = match header.kernel_mode {
        KernelMode::Native => return None,
        KernelMode::Emulated => {
            "This KVM emulates the guest's kernel mode instruction by instruction: absolute times mean little here, and a transition between user and \
             kernel mode is most of everything."
        }
        KernelMode::Unknown => "Whether this KVM runs the guest's kernel mode natively could not be told.",
    };
    Some(text.into())
}

fn alignment(header: &Header, alignment: Option<&Alignment>) -> String {
    let Some(alignment) = alignment else {
        return "How the clocks of guest and host lie is not known.".into();
    };
    let ns = alignment.error as f64 * 1e6 / header.tsc_khz.max(1) as f64;
    let error = alignment.error;
    format!(
        "The clocks of guest and host are aligned to within ±{error} ticks ({ns:.0} ns) over the whole run."
    )
}

/// What others did to the run.
fn disturbances(certificate: &Certificate) -> Option<String> {
    if certificate.vcpus.is_empty() {
        return None;
    }
    let sum = |of: fn(&Vcpu) -> Option<u64>| certificate.vcpus.iter().map(of).sum::<Option<u64>>();
    let migrations: u64 = certificate.vcpus.iter().map(|vcpu| vcpu.migrations).sum();
    let mut seen = vec![format!("were seen on another CPU than before {}", times(migrations))];
    seen.extend(sum(|vcpu| vcpu.preemptions).map(|n| format!("were preempted {}", times(n))));
    seen.extend(sum(|vcpu| vcpu.run_delay_ns).map(|ns| format!("waited {} for a CPU", ms(ns))));
    let steal =
        certificate.steal_ns.map(|ns| format!("; the host itself was kept from its CPUs for {}", ms(ns)));
    let reader = certificate.reader_ns.map(|ns| format!("; reading the rings took {} of a CPU", ms(ns)));
    Some(format!(
        "The threads of the vCPUs {}{}{}.",
        seen.join(", "),
        steal.unwrap_or_default(),
        reader.unwrap_or_default()
    ))
}

/// What looking at the guest has cost it.
fn sampling(sampling: &Sampling) -> String {
    let Sampling { hz, taken, missed, stopped_ns, asked, sampler_ns } = sampling;
    let each = *stopped_ns as f64 / (*taken).max(1) as f64 / 1e3;
    let missed = if *missed > 0 { format!(", {missed} more were missed") } else { String::new() };
    let asked = match asked {
        0 => String::new(),
        asked => {
            format!(", the {} among them when it was held for its Linux programs' symbols", times(*asked))
        }
    };
    let thread =
        sampler_ns.map(|ns| format!("; working them out took {} of a CPU", ms(ns))).unwrap_or_default();
    format!(
        "Samples were taken {hz} times a second of each vCPU: {taken} of them{missed}. Each is an exit of its vCPU, and kept it out of the guest for {each:.0} µs on the \
         average, {} in all{asked}{thread}. That time is in the others' figures.",
        ms(*stopped_ns)
    )
}

fn losses(rings: &[RingEnd]) -> String {
    let sum = |of: fn(&RingEnd) -> u64| rings.iter().map(of).fold(0, u64::saturating_add);
    let records = sum(|ring| ring.records);
    match (sum(|ring| ring.dropped), sum(|ring| ring.incomplete)) {
        (0, 0) => format!("All {records} records are there."),
        (dropped, 0) => {
            format!("{records} records are there; {dropped} were dropped because their ring was full.")
        }
        (dropped, incomplete) => format!(
            "{records} records are there; {dropped} were dropped because their ring was full, {incomplete} were never completed."
        ),
    }
}

fn mhz(khz: f64) -> String {
    format!("{:.3} MHz", khz / 1000.0)
}

fn ms(ns: u64) -> String {
    format!("{:.1} ms", ns as f64 / 1e6)
}

fn times(n: u64) -> String {
    match n {
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Ring;

    fn header() -> Header {
        Header { tsc_khz: 2_000_000, kernel_mode: KernelMode::Native, ..Header::default() }
    }

    fn trailer() -> Trailer {
        let certificate = Certificate {
            invariant: true,
            measured_khz: Some(2_000_020.0),
            resolution: 20,
            alignment: Some(Alignment { error: 500, ..Alignment::default() }),
            vcpus: vec![
                Vcpu { migrations: 1, run_delay_ns: Some(1_500_000), preemptions: Some(2) },
                Vcpu { migrations: 0, run_delay_ns: Some(500_000), preemptions: Some(0) },
            ],
            steal_ns: Some(10_000_000),
            reader_ns: Some(3_000_000),
            ..Certificate::default()
        };
        let rings = vec![RingEnd { ring: Ring::Cpu(0), records: 5, dropped: 0, incomplete: 0 }];
        Trailer { certificate, rings, ..Trailer::default() }
    }

    #[test]
    fn a_good_run() {
        assert_eq!(
            text(&header(), Some(&trailer())),
            "Ticks are those of an invariant TSC: 2000.000 MHz by KVM, 2000.020 MHz by the host's clock during the run (+10 ppm); two readings are 20 \
             apart. The clocks of guest and host are aligned to within ±500 ticks (250 ns) over the whole run. The threads of the vCPUs were \
             seen on another CPU than before once, were preempted 2 times, waited 2.0 ms for a CPU; the host itself was kept from its CPUs for 10.0 ms; \
             reading the rings took 3.0 ms of a CPU. All 5 records are there."
        );
    }

    #[test]
    fn samples_say_what_they_cost() {
        let mut trailer = trailer();
        let sampling =
            Sampling { hz: 997, taken: 1000, missed: 0, stopped_ns: 50_000_000, ..Sampling::default() };
        trailer.certificate.sampling = Some(sampling);
        let told = text(&header(), Some(&trailer));
        assert!(told.contains("997 times a second of each vCPU: 1000 of them. Each is an exit of its vCPU, and kept it out of the guest for 50 µs on the average, 50.0 ms in all. That"), "{told}");
        trailer.certificate.sampling =
            Some(Sampling { missed: 3, asked: 2, sampler_ns: Some(1_000_000), ..sampling });
        let told = text(&header(), Some(&trailer));
        for part in ["3 more were missed", "the 2 times among them", "took 1.0 ms of a CPU"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_makes_times_worthless_is_said() {
        let mut trailer = trailer();
        let emulated = text(&Header { kernel_mode: KernelMode::Emulated, ..header() }, Some(&trailer));
        assert!(emulated.contains("absolute times mean little"), "{emulated}");
        trailer.certificate.ticks = Ticks::Instructions;
        let counted = text(&header(), Some(&trailer));
        assert!(counted.starts_with("Ticks are instructions") && !counted.contains("invariant"), "{counted}");
        trailer.certificate = Certificate::default();
        trailer.rings[0].dropped = 7;
        let unknown = text(&Header::default(), Some(&trailer));
        for part in ["does not call invariant", "could not be told", "is not known", "7 were dropped"] {
            assert!(unknown.contains(part), "{unknown}");
        }
        assert!(text(&header(), None).contains("cut off"));
    }
}
