//! How much memory a ledger takes for what it could also read again: a share of what there is.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Most bytes of the store's pages in memory: a 32nd of what there is, from 64 MiB to 1 GiB. Of a large ledger these are at least the pages that lead to others.
pub(crate) fn pages() -> usize {
    (*TOTAL / 32).clamp(64 << 20, 1 << 30)
}

/// Bytes of lately written nodes of the state tree after which the older ones begin to go: from 16 MiB to 64 MiB.
pub(crate) fn nodes() -> usize {
    (*TOTAL / 384).clamp(16 << 20, 64 << 20)
}

/// Memory of this machine, or the limit of this process's control group; nothing where the system does not say.
static TOTAL: LazyLock<usize> = LazyLock::new(|| {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let limit = fs::read_to_string(Path::new("/sys/fs/cgroup").join(path).join("memory.max")).ok()?;
        // `max` where there is none.
        limit.trim().parse().ok()
    });
    machine.into_iter().chain(group).min().unwrap_or(0)
});

/// As Linux tells it, in kibibytes.
fn machine(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(machine("MemTotal:       24576000 kB\nMemFree:  1 kB\n"), Some(24_576_000 * 1024));
        assert_eq!(machine("MemTotal: many kB\n"), None);
        assert_eq!(machine(""), None);
        assert!((64 << 20..=1 << 30).contains(&pages()) && (16 << 20..=64 << 20).contains(&nodes()));
    }
}
