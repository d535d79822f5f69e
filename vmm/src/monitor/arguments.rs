//! Tasks and addresses, as users write them.

use super::Scene;
use crate::inspect::Kernel;
use crate::inspect::task::Task;

/// The task that is meant by a number, as in a thread's `5.2`, or by a name: `linux`, `sh[12]`.
pub fn task(scene: &Scene<'_>, kernel: &Kernel, text: &str) -> Result<Task, String> {
    let number = match text.parse() {
        Ok(number) => Some(number),
        Err(_) => scene.names.find(text),
    };
    let task = number.and_then(|number| kernel.task(scene.view, number));
    task.ok_or_else(|| format!("there is no task {text:?}; monitor tasks lists them"))
}

/// A hexadecimal address, with or without `0x`.
pub fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map_err(|_| format!("{text:?} is no address: a hexadecimal number is one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hexadecimal() {
        assert_eq!(address("0x7fff00000000"), Ok(0x7fff_0000_0000));
        assert_eq!(address("10"), Ok(16));
        for bad in ["", "0x", "main", "-1", "0x10000000000000000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
