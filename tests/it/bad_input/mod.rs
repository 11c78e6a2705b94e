//! What bad input gets: tables whose rows are a request, a command line or a file, and the exact answer. Each row
//! is met by the built program. A clear error, nothing lost, the process alive.

mod rules;

use std::path::Path;
use std::process::{Command, Output};

/// What the secrets of [`ONE_ACCOUNT`] are sealed with.
const KEY: &str = "5f0b6c1e9a3d4872b1c4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b";

/// The least that `serve` starts with. Beside it are the files `key` and `secret`.
const ONE_ACCOUNT: &str = "\
[secrets]
key = \"file:key\"
[[merchant]]
name = \"acme\"
[[account]]
merchant = \"acme\"
provider = \"stripe\"
name = \"acme-eu\"
webhook_secrets = [\"file:secret\"]
credentials = { api_key = \"file:secret\" }
";

/// The program on its way to be run, with nothing of our own environment that would steer it.
struct Program(Command);

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn respondby(words: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_respondby"));
    let ours = |name: &str| name.starts_with("RESPONDBY_") || name == "DATABASE_URL";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.args(words);
    Program(command)
}

impl Program {
    fn dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs it to its end.
    fn said(mut self) -> Said {
        let Output { status, stdout, stderr } = self.0.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
        Said { code: status.code().expect("it ends by itself"), out: text(stdout), err: text(stderr) }
    }
}
