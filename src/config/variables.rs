//! Variables that begin like ours and name no key. One that is nearly right is a mistake and not silence; one that is
//! like none may be anybody's (an orchestrator names its own after the service) and is told of by `serve`.

use super::problem::Problem;
use super::{COMMAND_LINE, DEFAULT_TOML};

pub(super) const PREFIX: &str = "RESPONDBY_";
/// Read elsewhere: by the command line, by tests, and by the crash points that are compiled into them.
const OTHERS: [&str; 5] =
    [COMMAND_LINE, "RESPONDBY_LONG", "RESPONDBY_RENEW_SCHEMA", "RESPONDBY_SIM_SEED", "RESPONDBY_CRASH_AT"];
/// Letters that may be wrong in a name that is still meant to be a key.
const SLIPS_MAX: usize = 2;

/// Those that nearly name a key, and the names of the others. `configured`: every text of the configuration; a
/// variable that one of them refers to as `env:NAME` is read.
pub(super) fn unknown(configured: &str, environment: &[(String, String)]) -> (Vec<Problem>, Vec<String>) {
    let keys = keys();
    let mut misspelt = Vec::new();
    let mut unread = Vec::new();
    for (name, _) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let referred = configured.contains(&format!("env:{name}"));
        // With two underscores it is taken for a key, and has been told of if it is none.
        if rest.contains("__") || OTHERS.contains(&name.as_str()) || referred {
            continue;
        }
        match keys.iter().map(|key| (slips(rest, key), key)).min().filter(|(slips, _)| *slips <= SLIPS_MAX) {
            Some((_, key)) => misspelt.push(Problem {
                origin: format!("environment variable {name}"),
                position: None,
                message: "names no key: two underscores stand between a section and its key".to_owned(),
                hint: Some(format!("did you mean `{PREFIX}{key}`?")),
            }),
            None => unread.push(name.clone()),
        }
    }
    (misspelt, unread)
}

/// However many underscores there are.
fn slips(name: &str, key: &str) -> usize {
    strsim::levenshtein(&name.replace('_', "").to_uppercase(), &key.replace('_', ""))
}

/// `HTTP__LISTEN` for every key that the default file documents, be it behind a `#`.
fn keys() -> Vec<String> {
    let mut section: Option<String> = None;
    let mut keys = Vec::new();
    for line in DEFAULT_TOML.lines() {
        let bare = line.trim_start_matches('#');
        if bare.starts_with("[[") {
            section = None;
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = Some(name.replace('.', "__"));
        } else if let (Some(section), Some((key, _))) = (&section, bare.split_once(" = "))
            && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            keys.push(format!("{section}__{key}").to_uppercase());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str], configured: &str) -> (Vec<String>, Vec<String>) {
        let environment: Vec<_> = names.iter().map(|n| ((*n).to_owned(), String::new())).collect();
        let (misspelt, unread) = unknown(configured, &environment);
        (misspelt.into_iter().filter_map(|problem| problem.hint).collect(), unread)
    }

    #[test]
    fn a_name_that_is_nearly_a_key_is_a_mistake_and_one_like_none_is_only_told_of() {
        for (name, meant) in [
            ("RESPONDBY_HTTP_LISTEN", "RESPONDBY_HTTP__LISTEN"),
            ("RESPONDBY_HTTP_LISTN", "RESPONDBY_HTTP__LISTEN"),
            ("RESPONDBY_DATABASE_URL", "RESPONDBY_DATABASE__URL"),
            ("RESPONDBY_SECRETS_KEY", "RESPONDBY_SECRETS__KEY"),
            ("RESPONDBY_PROVIDERS_STRIPE_BASE_URL", "RESPONDBY_PROVIDERS__STRIPE__BASE_URL"),
            ("RESPONDBY_LOG_FORMAT", "RESPONDBY_LOG__FORMAT"),
        ] {
            assert_eq!(told(&[name], ""), (vec![format!("did you mean `{meant}`?")], Vec::new()), "{name}");
        }
        let service = ["RESPONDBY_SERVICE_HOST", "RESPONDBY_PORT_8787_TCP_ADDR"];
        assert_eq!(told(&service, "").1, service);
        let read = ["RESPONDBY_CONFIG", "RESPONDBY_LONG", "RESPONDBY_HTTP__LISTEN", "DATABASE_URL", "HOME"];
        assert_eq!(told(&read, ""), (Vec::new(), Vec::new()));
        let referred = "key = \"env:RESPONDBY_SECRETS_KEY\"";
        assert_eq!(told(&["RESPONDBY_SECRETS_KEY"], referred), (Vec::new(), Vec::new()));
    }
}
