//! How much memory the process may use: what the machine has, what its control group allows, and what
//! the process holds already.

use std::fs;
use std::path::Path;

/// What everything that clients and plugins can make large may hold together, where it is not
/// configured: a share of the memory that there is, at most so many bytes.
const BUDGET_PERCENT: u64 = 70;
const BUDGET_MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// At least as much, however little there is: a few calls.
const BUDGET_MIN_BYTES: u64 = 64 * 1024 * 1024;

/// The budget where none is configured, less what the process holds.
pub(crate) fn default_budget() -> u64 {
    let there_is = [machine(), control_group()].into_iter().flatten().min();
    let share = there_is.map_or(BUDGET_MAX_BYTES, |bytes| bytes / 100 * BUDGET_PERCENT);
    let budget = share.min(BUDGET_MAX_BYTES);
    let held = resident().unwrap_or_default();
    budget.saturating_sub(held).max(BUDGET_MIN_BYTES)
}

/// Memory of the machine, in bytes (`proc_meminfo(5)`).
fn machine() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// Memory that the process holds, in bytes (`proc_pid_status(5)`).
fn resident() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let number: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(number * 1024)
}

/// The least limit of the control groups that the process is in (`cgroups(7)`): those of version 2 bound
/// all below them, and one of version 1 has its own.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            least(Path::new("/sys/fs/cgroup"), path, "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            let root = Path::new("/sys/fs/cgroup/memory");
            least(root, path, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    limits.min()
}

/// The least number in the files of this name in a folder and those above it. In a container the root
/// is its own group, whatever its path is outside.
fn least(root: &Path, path: &str, name: &str) -> Option<u64> {
    let folder = root.join(path);
    let folders = folder.ancestors().filter(|above| above.starts_with(root));
    let read = |folder: &Path| -> Option<u64> {
        fs::read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    folders.filter_map(read).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory() {
        let (all, held) = (machine().unwrap(), resident().unwrap());
        assert!(held > 0 && held < all, "{held} of {all}");
        let budget = default_budget();
        assert!((BUDGET_MIN_BYTES..=BUDGET_MAX_BYTES).contains(&budget));
    }

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join("a/memory.max"), "1000\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        let found = |path| least(root.path(), path, "memory.max");
        assert_eq!(found("a/b"), Some(1000));
        assert_eq!(found("elsewhere"), None);
    }
}
