//! What `postmaster.pid` tells of a running server. Its lines are, in this order: process id, data
//! directory, start time, port, socket directory, listen address, shared memory key, state.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub pid: u32,
    pub socket_dir: PathBuf,
    pub state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not up yet; the first lines may be there before the last.
    Starting,
    Ready,
    Stopping,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A file whose server is gone: its process id belongs to nobody, or to another program by now.
    Stale,
    Server(Postmaster),
}

pub(super) fn file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

pub(super) fn look(data: &Path) -> Found {
    let Ok(text) = fs::read_to_string(file(data)) else { return Found::Nothing };
    match parse(&text) {
        Some(postmaster) if is_postgres(postmaster.pid, data) => Found::Server(postmaster),
        Some(_) | None => Found::Stale,
    }
}

fn parse(text: &str) -> Option<Postmaster> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // Negative for a server in single-user mode, which nobody can connect to.
    let pid = lines.first()?.parse().ok()?;
    let state = match lines.get(7).copied() {
        Some("ready" | "standby") => State::Ready,
        Some("stopping") => State::Stopping,
        Some(_) | None => State::Starting,
    };
    Some(Postmaster { pid, socket_dir: PathBuf::from(lines.get(4).copied().unwrap_or("")), state })
}

/// Process ids are used again: only a process that names this data directory is its server.
fn is_postgres(pid: u32, data: &Path) -> bool {
    let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    command.split(|b| *b == 0).any(|arg| arg == data.as_os_str().as_encoded_bytes())
}

/// Whether the process is still there. A child that ended and was not waited for counts as gone.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the program's name, which stands in parentheses and may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str =
        "4711\n/srv/pg/data\n1790000000\n5432\n/srv/pg/socket\n\n  5432001   32768\nready   \n";

    #[test]
    fn the_state_is_the_eighth_line_and_its_absence_means_starting() {
        let ready = parse(READY).unwrap();
        assert_eq!((ready.pid, ready.state), (4711, State::Ready));
        assert_eq!(ready.socket_dir, Path::new("/srv/pg/socket"));
        assert_eq!(parse(&READY.replace("ready", "stopping")).unwrap().state, State::Stopping);
        assert_eq!(parse("4711\n/srv/pg/data\n").unwrap().state, State::Starting);
        assert_eq!(parse(""), None);
        assert_eq!(parse("-9\n"), None);
    }

    #[test]
    fn a_process_id_that_another_program_has_by_now_is_stale() {
        let data = tempfile::tempdir().unwrap();
        fs::write(file(data.path()), READY.replace("4711", &std::process::id().to_string())).unwrap();
        assert_eq!(look(data.path()), Found::Stale);
        assert_eq!(look(&data.path().join("nowhere")), Found::Nothing);
    }
}
