//! Under which account the server runs: our own, or, when we are root, an existing unprivileged one,
//! because Postgres refuses uid 0. And whether that account can reach a directory at all.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

const PASSWD: &str = "/etc/passwd";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// Makes a command run as this account.
    pub fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Whether every ancestor of `dir` lets this account through. The first that does not is named.
    pub fn check_reach(&self, dir: &Path) -> Result<(), EmbeddedError> {
        for ancestor in dir.ancestors().collect::<Vec<_>>().into_iter().rev() {
            let Ok(metadata) = fs::metadata(ancestor) else { break };
            let mode = metadata.permissions().mode();
            let shift = match () {
                () if metadata.uid() == self.uid => 6,
                () if metadata.gid() == self.gid => 3,
                () => 0,
            };
            if (mode >> shift) & 1 == 0 {
                return Err(EmbeddedError::Unreachable {
                    account: self.name.clone(),
                    dir: dir.to_path_buf(),
                    ancestor: PathBuf::from(ancestor),
                    mode: mode & 0o7777,
                });
            }
        }
        Ok(())
    }
}

/// The uid this process runs under.
pub(super) fn own_uid() -> u32 {
    // The kernel's own folder for this process belongs to its effective user.
    fs::metadata("/proc/self").map_or(u32::MAX, |m| m.uid())
}

/// `None`: run the server as ourselves.
pub(super) fn server_account() -> Result<Option<Account>, EmbeddedError> {
    if own_uid() != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string(PASSWD).map_err(EmbeddedError::io("cannot read", Path::new(PASSWD)))?;
    find_unprivileged(&passwd).map(Some).ok_or_else(|| EmbeddedError::NoAccount { passwd: PASSWD.to_owned() })
}

fn find_unprivileged(passwd: &str) -> Option<Account> {
    ["postgres", "nobody"].into_iter().find_map(|wanted| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| *name == wanted)?;
            let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name: name.to_owned(), uid, gid })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody_and_root_in_disguise_is_not_taken() {
        let nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin";
        let postgres = "postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash";
        let disguised = "postgres:x:0:0::/root:/bin/sh";
        let found = |text: &str| find_unprivileged(text).map(|a| (a.name, a.uid, a.gid));
        assert_eq!(found(&format!("{nobody}\n{postgres}")), Some(("postgres".into(), 101, 104)));
        assert_eq!(found(&format!("{disguised}\n{nobody}")), Some(("nobody".into(), 65534, 65534)));
        assert_eq!(found("root:x:0:0:root:/root:/bin/bash\nbroken line\n"), None);
    }

    #[test]
    fn the_ancestor_that_closes_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let closed = root.path().join("closed");
        let dir = closed.join("deep/data");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { name: "stranger".into(), uid: 4_000_001, gid: 4_000_001 };
        let message = stranger.check_reach(&dir).unwrap_err().to_string();
        assert!(message.contains("`stranger`"), "{message}");
        assert!(message.contains(&format!("{} has mode 0700", closed.display())), "{message}");
        assert!(message.contains("chmod o+x"), "{message}");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
        stranger.check_reach(&dir).unwrap();
    }
}
