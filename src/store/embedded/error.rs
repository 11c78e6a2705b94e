//! What can keep the embedded server from running, each with the way to mend it. Read by people at the
//! moment they try the program for the first time, so every message says where it looked.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no PostgreSQL server binaries (initdb, postgres, pg_ctl) of version 15 or newer found.\n\
         Looked in:\n{}\n\
         Remedies: `apt-get install postgresql` (Debian, Ubuntu), or set PG_BIN_DIR to the folder that holds \
         them, or set database.url to a PostgreSQL that runs already", listed(.looked))]
    NoBinaries { looked: Vec<String> },

    #[error(
        "{} was made by PostgreSQL {made_by}, and the binaries found are of {}.\n\
         Remedies: install PostgreSQL {made_by} beside them, or move the data with pg_upgrade or pg_dump", .data.display(), .found.join(", "))]
    VersionMismatch { data: PathBuf, made_by: u32, found: Vec<String> },

    #[error("{} does not hold a PostgreSQL version number but {text:?}: is it a data directory?", .path.display())]
    VersionUnreadable { path: PathBuf, text: String },

    #[error("{} is in use by {holder}. Stop it, or give this one another database.data_dir", .dir.display())]
    InUse { dir: PathBuf, holder: String },

    #[error(
        "the account `{account}`, under which the server runs, cannot reach {}: {} has mode {mode:04o}.\n\
         Remedies: `chmod o+x {}`, or another database.data_dir", .dir.display(), .ancestor.display(), .ancestor.display())]
    Unreachable { account: String, dir: PathBuf, ancestor: PathBuf, mode: u32 },

    #[error(
        "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` in {passwd} to run it \
         as. Remedies: `adduser --system postgres`, or start this program as another user"
    )]
    NoAccount { passwd: String },

    #[error("no home for the data: neither database.data_dir, XDG_DATA_HOME nor HOME is set")]
    NoHome,

    #[error("{} belongs to uid {owner}, not to this program: remove it, or set another database.data_dir", .dir.display())]
    ForeignDir { dir: PathBuf, owner: u32 },

    #[error("`{program}` failed ({status}): {output}")]
    Program { program: String, status: String, output: String },

    #[error("the server did not get ready within {seconds} s. The end of {}:\n{log_end}", .log.display())]
    NotReady { seconds: u64, log: PathBuf, log_end: String },

    #[error("{action} {}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("cannot connect to the embedded server to make its database")]
    CreateDatabase { source: sqlx::Error },
}

impl EmbeddedError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

fn listed(places: &[String]) -> String {
    places.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}
