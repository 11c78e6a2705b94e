//! Finding the installed server binaries. Nothing is downloaded: what is missing is said, with every place
//! that was looked at.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
const MAJOR_MIN: u32 = 15;
/// One folder per major version below these, newest wins.
const VERSIONED: [&str; 2] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql"];
const FIXED: [&str; 6] = [
    "/usr/pgsql/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/opt/homebrew/opt/postgresql/bin",
    "/usr/libexec/postgresql",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub dir: PathBuf,
    pub major: u32,
}

impl Binaries {
    /// The newest set there is. A folder that was named, by configuration or `PG_BIN_DIR`, is the only one
    /// looked at: a person who names one means it.
    pub fn newest(named: Option<&Path>) -> Result<Self, EmbeddedError> {
        let (found, looked) = search(named);
        found
            .into_iter()
            .filter(|b| b.major >= MAJOR_MIN)
            .max_by_key(|b| b.major)
            .ok_or(EmbeddedError::NoBinaries { looked })
    }

    /// The set that can run the data directory `data`, made by `major`.
    pub fn of_major(named: Option<&Path>, major: u32, data: &Path) -> Result<Self, EmbeddedError> {
        let (found, looked) = search(named);
        if found.is_empty() {
            return Err(EmbeddedError::NoBinaries { looked });
        }
        let versions = found.iter().map(|b| format!("{} ({})", b.major, b.dir.display())).collect();
        found.into_iter().find(|b| b.major == major).ok_or_else(|| EmbeddedError::VersionMismatch {
            data: data.to_path_buf(),
            made_by: major,
            found: versions,
        })
    }

    pub fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }
}

/// Every usable set, and what to tell when there is none.
fn search(named: Option<&Path>) -> (Vec<Binaries>, Vec<String>) {
    let mut looked = Vec::new();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for dir in candidates(named) {
        let Ok(dir) = dir.canonicalize() else {
            looked.push(format!("{} (not there)", dir.display()));
            continue;
        };
        if !seen.insert(dir.clone()) {
            continue;
        }
        match inspect(&dir) {
            Ok(major) => {
                looked.push(format!("{} (version {major})", dir.display()));
                found.push(Binaries { dir, major });
            }
            Err(why) => looked.push(format!("{} ({why})", dir.display())),
        }
    }
    (found, looked)
}

fn candidates(named: Option<&Path>) -> Vec<PathBuf> {
    let from_environment = || env::var_os("PG_BIN_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = named.map(Path::to_path_buf).or_else(from_environment) {
        return vec![dir];
    }
    let versioned = VERSIONED.iter().flat_map(|parent| {
        let mut below: Vec<PathBuf> = match fs::read_dir(parent) {
            Ok(entries) => entries.flatten().map(|e| e.path().join("bin")).collect(),
            Err(_) => vec![PathBuf::from(parent)],
        };
        below.sort();
        below
    });
    let path = env::var_os("PATH").unwrap_or_default();
    // `$PATH` often holds a link to one program, whose neighbours are elsewhere.
    let on_path = env::split_paths(&path)
        .filter_map(|dir| dir.join("postgres").canonicalize().ok())
        .filter_map(|program| program.parent().map(Path::to_path_buf));
    versioned.chain(FIXED.iter().map(PathBuf::from)).chain(on_path).collect()
}

fn inspect(dir: &Path) -> Result<u32, String> {
    if let Some(missing) = NEEDED.iter().find(|program| !dir.join(program).is_file()) {
        return Err(format!("no {missing}"));
    }
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|e| format!("postgres does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    major_of(&text).ok_or_else(|| format!("unreadable version {text:?}"))
}

/// `postgres (PostgreSQL) 17.2 (Debian 17.2-1)`, also `18beta1`.
fn major_of(text: &str) -> Option<u32> {
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 16.3 (Debian 16.3-1.pgdg)"), Some(16));
        assert_eq!(major_of("postgres (PostgreSQL) 19beta2"), Some(19));
        assert_eq!(major_of("no such thing"), None);
    }

    #[test]
    fn a_folder_without_binaries_is_named_with_what_it_lacks_and_the_remedies() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("initdb"), "").unwrap();
        let message = Binaries::newest(Some(dir.path())).unwrap_err().to_string();
        let place = dir.path().canonicalize().unwrap();
        assert!(message.contains(&format!("{} (no postgres)", place.display())), "{message}");
        for remedy in ["apt-get install postgresql", "PG_BIN_DIR", "database.url"] {
            assert!(message.contains(remedy), "{message}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_to_be_so() {
        let message = Binaries::newest(Some(Path::new("/no/such/folder"))).unwrap_err().to_string();
        assert!(message.contains("/no/such/folder (not there)"), "{message}");
    }
}
