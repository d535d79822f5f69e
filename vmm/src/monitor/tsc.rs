//! `monitor tsc`

use super::Scene;
use super::table::Table;

pub fn run(scene: &Scene<'_>) -> String {
    let mut table = Table::new(["vCPU", ">TSC", ">ahead of vCPU 0", ">to within"]);
    for vcpu in 0..scene.view.vcpus() {
        // They count on while they are read: so the first is read twice.
        let before = scene.view.tsc(0);
        let Some(tsc) = scene.view.tsc(vcpu) else { continue };
        let around = before.zip(scene.view.tsc(0));
        let (ahead, within) = match around.filter(|_| vcpu != 0) {
            Some((before, after)) => {
                let between = after.wrapping_sub(before) / 2;
                let ahead = tsc.wrapping_sub(before.wrapping_add(between)) as i64;
                (ahead.to_string(), between.to_string())
            }
            None => (String::new(), String::new()),
        };
        table.row([vcpu.to_string(), tsc.to_string(), ahead, within]);
    }
    let khz = scene.kernel.and_then(|kernel| kernel.tsc_khz(scene.view));
    let rate = khz.map_or(String::new(), |khz| format!("{}.{:03} MHz\n", khz / 1000, khz % 1000));
    table.text_or("no vCPU's counter is known") + &rate
}
