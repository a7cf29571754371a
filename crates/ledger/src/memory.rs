//! How much memory a ledger takes for what it could also read again: a share of what there is.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Most bytes of the store's pages in memory: a 128th of what there is, from 64 MiB to 256 MiB. The system keeps those of the file that are read
/// again, too, and gives that memory to whoever needs it more; here each page that is written takes new memory until there is no room for another.
pub(crate) fn pages() -> usize {
    (*TOTAL / 128).clamp(64 << 20, 256 << 20)
}

/// Bytes of nodes of the state tree that come to hand until older ones go: from 11 MiB to 85 MiB. There are never more than about three times as many.
pub(crate) fn nodes() -> usize {
    (*TOTAL / 288).clamp(11 << 20, 85 << 20)
}

/// Bytes of changes that are not at their places in the store: from 64 MiB to 128 MiB. With the rows that they are in they take up to three times as
/// much.
pub(crate) fn changes() -> usize {
    (*TOTAL / 192).clamp(64 << 20, 128 << 20)
}

/// Memory of this machine, or the limit of this process's control group; nothing where the system does not say.
static TOTAL: LazyLock<usize> = LazyLock::new(|| {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| group(&text, Path::new(GROUPS)));
    machine.into_iter().chain(group).min().unwrap_or(0)
});

/// The least limit of a process's control group (of version 2) and of those that it is in, below `root`.
fn group(text: &str, root: &Path) -> Option<usize> {
    let own = root.join(text.lines().find_map(|line| line.strip_prefix("0::/"))?);
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    // `max` where there is none.
    groups.filter_map(|group| fs::read_to_string(group.join("memory.max")).ok()?.trim().parse().ok()).min()
}

const GROUPS: &str = "/sys/fs/cgroup";

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
    }

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("a.slice/b.service");
        fs::create_dir_all(&service).unwrap();
        let group = || group("1:net:/x\n0::/a.slice/b.service\n", root.path());
        assert_eq!(group(), None);
        fs::write(service.join("memory.max"), "max\n").unwrap();
        assert_eq!(group(), None);
        fs::write(root.path().join("a.slice/memory.max"), "7000\n").unwrap();
        assert_eq!(group(), Some(7_000));
        fs::write(service.join("memory.max"), "9000\n").unwrap();
        assert_eq!(group(), Some(7_000));
        fs::write(service.join("memory.max"), "5000\n").unwrap();
        assert_eq!(group(), Some(5_000));
    }
}
