//! What a process has spent, by the kernel's count (proc(5)).

use std::fs;
use std::ops::Sub;

use anyhow::Context;

/// The kernel counts processor time in hundredths of a second on every Linux there is.
const TICKS_PER_S: f64 = 100.0;

/// Processor time, user and system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spent {
    pub seconds: f64,
}

impl Sub for Spent {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self { seconds: self.seconds - before.seconds }
    }
}

impl Spent {
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = Stat::read(pid)?;
        Ok(Self { seconds: stat.own_ticks as f64 / TICKS_PER_S })
    }

    /// A process, its children, and those of its children that have ended.
    pub fn of_family(pid: u32) -> anyhow::Result<Self> {
        let parent = Stat::read(pid)?;
        let mut ticks = parent.own_ticks + parent.reaped_ticks;
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(child) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
            // One may end while we look.
            if let Ok(stat) = Stat::read(child)
                && stat.parent == pid
            {
                ticks += stat.own_ticks;
            }
        }
        Ok(Self { seconds: ticks as f64 / TICKS_PER_S })
    }
}

struct Stat {
    parent: u32,
    own_ticks: u64,
    reaped_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything.
        let rest = text.rsplit_once(')').context("a stat line has a name")?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number =
            |i: usize| -> anyhow::Result<u64> { Ok(fields.get(i).context("a short stat line")?.parse()?) };
        // Fields 4, 14 to 17 of proc(5), counted from the state, which is the third.
        Ok(Self {
            parent: u32::try_from(number(1)?)?,
            own_ticks: number(11)? + number(12)?,
            reaped_ticks: number(13)? + number(14)?,
        })
    }
}

/// Resident memory, in MiB: now, and the most there was.
pub fn resident_mib(pid: u32) -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = |name: &str| -> anyhow::Result<f64> {
        let line = text.lines().find_map(|l| l.strip_prefix(name)).context("no such line in status")?;
        let kib = line.trim().trim_end_matches(" kB").parse::<f64>()?;
        Ok(kib / 1024.0)
    };
    Ok((line("VmRSS:")?, line("VmHWM:")?))
}

/// Of several turns of two, the one with the middle ratio.
pub fn middle(mut turns: Vec<(f64, f64)>) -> (f64, f64) {
    turns.sort_by(|a, b| f64::total_cmp(&(a.0 / a.1), &(b.0 / b.1)));
    turns[turns.len() / 2]
}

/// The middle of several rounds; the worse middle of an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
