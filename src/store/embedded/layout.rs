//! The places on disk: the data directory, the log, the socket, and the lock that says which engine
//! answers for them.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process;

use sha2::{Digest, Sha256};

use super::account::{Account, own_uid};
use super::{EmbeddedError, PORT};

/// The kernel's limit on the path of a Unix socket, without the closing NUL.
const SOCKET_PATH_MAX: usize = 107;

#[derive(Debug)]
pub(super) struct Layout {
    dir: PathBuf,
    home: PathBuf,
    data: PathBuf,
    socket_dir: PathBuf,
}

/// The right to run the server of a directory. Given up when it is dropped, or with the process.
#[derive(Debug)]
pub(super) struct Claim {
    _lock: File,
}

impl Layout {
    /// Makes the directories that are missing and checks that the server's account can reach them.
    pub fn prepare(named: Option<PathBuf>, account: Option<&Account>) -> Result<Self, EmbeddedError> {
        let dir = named.map_or_else(default_dir, Ok)?;
        // The server's own part is apart from ours, so that what else lives here stays out of its reach.
        fs::create_dir_all(&dir).map_err(EmbeddedError::io("cannot create the data directory", &dir))?;
        let dir = dir.canonicalize().map_err(EmbeddedError::io("cannot resolve", &dir))?;
        if let Some(account) = account {
            account.check_reach(&dir)?;
        }
        let home = dir.join("postgres");
        private_dir(&home, account)?;
        let socket_dir = choose_socket_dir(&home);
        private_dir(&socket_dir, account)?;
        Ok(Self { data: home.join("data"), dir, home, socket_dir })
    }

    /// The directory with `PG_VERSION` in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Takes the lock of the directory, or says who has it.
    pub fn claim(&self) -> Result<Claim, EmbeddedError> {
        let path = self.dir.join("engine.lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(EmbeddedError::io("cannot open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                _ = lock.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another respondby".to_owned() } else { holder };
                return Err(EmbeddedError::InUse { dir: self.dir.clone(), holder });
            }
            Err(TryLockError::Error(source)) => {
                return Err(EmbeddedError::Io { action: "cannot lock", path, source });
            }
        }
        let holder = format!("respondby with process id {}", process::id());
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(holder.as_bytes()))
            .map_err(EmbeddedError::io("cannot write", &path))?;
        Ok(Claim { _lock: lock })
    }

    /// The major version that made the data, or `None` before the first start.
    pub fn data_version(&self) -> Result<Option<u32>, EmbeddedError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some(major)),
                Err(_) => Err(EmbeddedError::VersionUnreadable { path, text }),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EmbeddedError::Io { action: "cannot read", path, source }),
        }
    }
}

fn default_dir() -> Result<PathBuf, EmbeddedError> {
    if own_uid() == 0 {
        return Ok(PathBuf::from("/var/lib/respondby"));
    }
    let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("respondby"))
        .ok_or(EmbeddedError::NoHome)
}

/// Beside the data; where that path is too long for a socket, a short one derived from it.
fn choose_socket_dir(home: &Path) -> PathBuf {
    let beside = home.join("socket");
    let file = beside.join(format!(".s.PGSQL.{PORT}.lock"));
    if file.as_os_str().len() <= SOCKET_PATH_MAX {
        return beside;
    }
    let digest = Sha256::digest(home.as_os_str().as_bytes());
    PathBuf::from("/tmp").join(format!("respondby-{}", hex::encode(&digest[..8])))
}

/// A directory that only its owner, the account the server runs under, can enter.
fn private_dir(dir: &Path, account: Option<&Account>) -> Result<(), EmbeddedError> {
    let created = match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => true,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(source) => {
            return Err(EmbeddedError::Io { action: "cannot create", path: dir.to_path_buf(), source });
        }
    };
    let owner = account.map_or_else(own_uid, |a| a.uid);
    if created && let Some(account) = account {
        chown(dir, Some(account.uid), Some(account.gid))
            .map_err(EmbeddedError::io("cannot give the account of the server", dir))?;
    }
    // A link planted in /tmp is not followed, and somebody else's directory is not trusted.
    let found = fs::symlink_metadata(dir).map_err(EmbeddedError::io("cannot look at", dir))?;
    if !found.is_dir() || found.uid() != owner {
        return Err(EmbeddedError::ForeignDir { dir: dir.to_path_buf(), owner: found.uid() });
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
        .map_err(EmbeddedError::io("cannot close to others", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_and_a_short_one_stays() {
        let short = Path::new("/var/lib/respondby/postgres");
        assert_eq!(choose_socket_dir(short), short.join("socket"));
        let long = PathBuf::from(format!("/srv/{}/postgres", "a".repeat(90)));
        let chosen = choose_socket_dir(&long);
        assert!(chosen.as_os_str().len() < 40, "{}", chosen.display());
        assert_ne!(chosen, choose_socket_dir(&long.join("other")), "each data directory has its own");
    }
}
