//! Style as a test: what may import what, how long things may be, what every module says of itself, what
//! must not be left behind, and where provider words and SQL may stand. Each check is tried on a planted
//! offence first, so that none of them can pass by seeing nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 400;

/// Who may know whom. A module may always know itself. `main`, `lib` and `app` know everything.
const MAY_IMPORT: &[(&str, &str)] = &[
    ("accept", ""),
    ("clock", ""),
    ("crash", ""),
    ("dispute", ""),
    ("grpc_code", ""),
    ("standard_webhooks", ""),
    ("evidence", "dispute"),
    ("rules", "dispute evidence"),
    ("engine", "dispute evidence rules"),
    ("providers", "dispute evidence config clock grpc_code"),
    ("alerts", "dispute standard_webhooks config"),
    ("config", "providers dispute alerts standard_webhooks"),
    ("observe", "alerts dispute config clock providers standard_webhooks"),
    ("store", "dispute evidence rules engine providers config clock alerts observe crash"),
    // Above the database and below the protocols, which all come to it.
    ("desk", "dispute evidence engine providers store config clock observe"),
    ("grpc", "accept grpc_code dispute evidence store config observe desk"),
    (
        "http",
        "accept dispute evidence engine providers store config clock alerts observe standard_webhooks crash desk",
    ),
    (
        "worker",
        "dispute evidence rules engine providers store config clock alerts observe standard_webhooks crash",
    ),
    // An adapter's mistakes must not be shared by what it is tested against.
    ("sandbox", "clock"),
];
const KNOW_EVERYTHING: &[&str] = &["main", "lib", "app", "cli", "demo"];

/// Judgement without hands: nothing here can reach a database, a network or a clock.
const PURE: &[&str] = &["dispute", "evidence", "rules", "engine", "standard_webhooks"];
const IMPURE: &[&str] = &["sqlx::", "tokio::", "reqwest::", "axum::", "std::time"];

/// The words nobody else knows: each provider's folder is called like it.
static PROVIDER_WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folders =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers")).expect("the providers");
    let folders = folders.flatten().filter(|entry| entry.path().join("mod.rs").exists());
    let words = folders.map(|f| f.file_name().to_string_lossy().into_owned());
    let words: Vec<String> = words.filter(|word| word != "conformance").collect();
    assert!(words.len() >= 2 && words.iter().any(|word| word == "stripe"), "{words:?}");
    words
});

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["data", "info", "manager", "util", "utils", "helper", "helpers", "misc", "common"];

/// A Rust file taken apart: the code with its comments and texts blanked out, so that what is found in it is
/// code, and the texts with their lines.
struct Source {
    path: String,
    raw: String,
    code: String,
    texts: Vec<(usize, String)>,
    /// Lines inside `#[cfg(test)]` items.
    test_lines: BTreeSet<usize>,
    all_test: bool,
}

impl Source {
    fn of(path: &str, raw: &str) -> Self {
        let (code, texts) = take_apart(raw);
        let test_lines = test_lines(&code);
        let all_test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("tests/");
        Self { path: path.to_owned(), raw: raw.to_owned(), code, texts, test_lines, all_test }
    }

    fn is_test(&self, line: usize) -> bool {
        self.all_test || self.test_lines.contains(&line)
    }

    /// The first folder or file below `src`.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
    }

    /// How many modules this file is below the crate's root.
    fn depth(&self) -> usize {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        below.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).count()
    }

    /// Lines of code outside tests, numbered from 1.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(n, _)| !self.is_test(*n))
    }

    fn live_texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.texts.iter().map(|(n, t)| (*n, t.as_str())).filter(|(n, _)| !self.is_test(*n))
    }

    fn offence(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Blanks comments and the insides of texts, keeping every byte's place, and collects the texts.
fn take_apart(raw: &str) -> (String, Vec<(usize, String)>) {
    let bytes = raw.as_bytes();
    let mut code = bytes.to_vec();
    let mut texts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (end, text) = token(raw, at);
        if let Some((from, to)) = text {
            texts.push((line_of(raw, at), raw[from..to].to_owned()));
        }
        if end > at + 1 || text.is_some() {
            code[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        }
        at = end.max(at + 1);
    }
    (String::from_utf8_lossy(&code).into_owned(), texts)
}

/// Where the comment or text at `at` ends, and the inside of a text. Other bytes are passed over one by one.
fn token(raw: &str, at: usize) -> (usize, Option<(usize, usize)>) {
    let rest = &raw.as_bytes()[at..];
    let named = at > 0 && (raw.as_bytes()[at - 1].is_ascii_alphanumeric() || raw.as_bytes()[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => (at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()), None),
        [b'/', b'*', ..] => (block_comment_end(raw, at), None),
        [b'"', ..] => {
            let end = text_end(raw, at + 1);
            (end, Some((at + 1, end.saturating_sub(1).max(at + 1))))
        }
        [b'r', b'"' | b'#', ..] if !named || raw.as_bytes()[at - 1] == b'b' => {
            let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
            let open = at + 1 + hashes;
            if raw.as_bytes().get(open) != Some(&b'"') {
                return (at + 1, None);
            }
            let close = format!("\"{}", "#".repeat(hashes));
            let inside_end = raw[open + 1..].find(&close).map_or(raw.len(), |i| open + 1 + i);
            ((inside_end + close.len()).min(raw.len()), Some((open + 1, inside_end)))
        }
        // A character, not a lifetime: closed by a quote after one (escaped) character.
        [b'\'', b'\\', ..] => (at + 3 + rest[3..].iter().position(|b| *b == b'\'').unwrap_or(0), None),
        [b'\'', ..] => {
            let width = raw[at + 1..].chars().next().map_or(0, char::len_utf8);
            let closed = raw.as_bytes().get(at + 1 + width) == Some(&b'\'');
            (if closed { at + 2 + width } else { at + 1 }, None)
        }
        _ => (at + 1, None),
    }
}

fn text_end(raw: &str, from: usize) -> usize {
    let bytes = raw.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn block_comment_end(raw: &str, from: usize) -> usize {
    let bytes = raw.as_bytes();
    let (mut at, mut open) = (from, 0);
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => (at, open) = (at + 2, open + 1),
            (b'*', b'/') => (at, open) = (at + 2, open - 1),
            _ => at += 1,
        }
        if open == 0 {
            return at;
        }
    }
    bytes.len()
}

/// Where the block ends that opens at or after `from`; at a `;` if there is none.
fn block_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (i, b) in code.bytes().enumerate().skip(from) {
        match b {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return i,
            b'}' => depth -= 1,
            b';' if depth == 0 => return i,
            _ => {}
        }
    }
    code.len().saturating_sub(1)
}

fn test_lines(code: &str) -> BTreeSet<usize> {
    code.match_indices("#[cfg(test)]")
        .flat_map(|(at, attribute)| line_of(code, at)..=line_of(code, block_end(code, at + attribute.len())))
        .collect()
}

/// Every word in `code` with its place.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.split(move |c: char| !is_word(c))
        .filter(|w| !w.is_empty())
        .map(move |word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// The modules of this crate that the file names, each with the line, however it is written:
/// `crate::a::b`, `use crate::{a, b::c}`, `super::super::a`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, word) in words(code) {
        let mut from = at + word.len();
        match word {
            "crate" => {}
            "super" if !code[..at].ends_with("super::") => {
                let ups = 1 + code[from..].split("::").skip(1).take_while(|s| *s == "super").count();
                if ups < source.depth() {
                    continue;
                }
                from += (ups - 1) * "::super".len();
            }
            _ => continue,
        }
        let Some(rest) = code[from..].strip_prefix("::") else { continue };
        for name in first_names(rest) {
            found.push((line_of(code, at), name));
        }
    }
    found.retain(|(line, _)| !source.is_test(*line));
    found
}

/// `a::b` → a; `{a, b::{c, d}, e}` → a, b, e.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = Vec::new();
    let (mut depth, mut expecting) = (0, true);
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expecting = true,
            c if expecting && !c.is_whitespace() => {
                names.push(name(&list[i..]));
                expecting = false;
            }
            _ => {}
        }
    }
    names
}

fn check_direction(source: &Source) -> Vec<String> {
    let module = source.module();
    if KNOW_EVERYTHING.contains(&module) {
        return Vec::new();
    }
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        return vec![source.offence(1, format!("`{module}` has no line in MAY_IMPORT: give it its place"))];
    };
    let modules = MAY_IMPORT.iter().map(|(name, _)| *name).chain(KNOW_EVERYTHING.iter().copied());
    let modules: BTreeSet<&str> = modules.collect();
    imports(source)
        .into_iter()
        .filter(|(_, name)| {
            modules.contains(name.as_str()) && name != module && !allowed.split(' ').any(|a| a == name)
        })
        .map(|(line, name)| source.offence(line, format!("`{module}` must not know `{name}`")))
        .collect()
}

fn check_purity(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.module()) {
        return Vec::new();
    }
    let offends = |line: &str| IMPURE.iter().find(|word| line.contains(**word)).copied();
    source
        .code_lines()
        .filter_map(|(n, line)| {
            Some(source.offence(n, format!("`{}` is pure: no {}", source.module(), offends(line)?)))
        })
        .collect()
}

fn check_sizes(source: &Source) -> Vec<String> {
    if source.all_test {
        return Vec::new();
    }
    let mut found = Vec::new();
    let lines = source.raw.lines().count() - source.test_lines.len();
    if lines > FILE_LINES_MAX {
        found.push(source.offence(1, format!("{lines} lines without tests, {FILE_LINES_MAX} are allowed")));
    }
    for (at, _) in words(&source.code).filter(|(_, word)| *word == "fn") {
        let first = line_of(&source.code, at);
        let last = line_of(&source.code, block_end(&source.code, at));
        if last + 1 - first > FUNCTION_LINES_MAX && !source.is_test(first) {
            let long = last + 1 - first;
            found.push(
                source
                    .offence(first, format!("a function of {long} lines, {FUNCTION_LINES_MAX} are allowed")),
            );
        }
    }
    found
}

fn check_header(source: &Source) -> Vec<String> {
    let lines = source.raw.lines().take_while(|line| line.starts_with("//!")).count();
    let least = if source.all_test { 1 } else { 2 };
    if (least..=10).contains(&lines) {
        return Vec::new();
    }
    let what = "lines of `//!` on top: two to ten say what the module is for and what it must not know";
    vec![source.offence(1, format!("{lines} {what}"))]
}

fn check_leftovers(source: &Source) -> Vec<String> {
    const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];
    const NOTES: [&str; 3] = ["FIXME", "TODO", "XXX"];
    let mut found = Vec::new();
    for (n, line) in source.code.lines().enumerate() {
        if let Some(word) = MACROS.iter().chain(["#[ignore"].iter()).find(|word| line.contains(**word)) {
            found.push(source.offence(n + 1, format!("`{word}` is left")));
        }
    }
    for (n, line) in source.raw.lines().enumerate() {
        let comment = line.split_once("//").map_or("", |(_, comment)| comment);
        if let Some(word) = words(comment).map(|(_, w)| w).find(|w| NOTES.contains(w)) {
            found.push(source.offence(n + 1, format!("`{word}` is left")));
        }
    }
    for attribute in ["allow(", "expect("] {
        for opening in ["#[", "#!["] {
            for (at, _) in source.code.match_indices(&format!("{opening}{attribute}")) {
                let end = source.code[at..].find(")]").map_or(source.code.len(), |i| at + i);
                if !source.code[at..end].contains("reason") {
                    found.push(
                        source.offence(line_of(&source.code, at), "a lint exception without its reason"),
                    );
                }
            }
        }
    }
    found
}

/// Providers are known in their folders, their stand-ins', their plots and the lists of those, and nowhere else.
fn may_name_providers(source: &Source) -> bool {
    let below = source.path.strip_prefix("src/").unwrap_or(&source.path);
    match below.split('/').collect::<Vec<_>>()[..] {
        ["providers", "mod.rs"] | ["sandbox", "registry.rs"] | ["demo", "shops.rs"] => true,
        ["providers" | "sandbox", _folder, _, ..] => true,
        ["demo", file] => file.starts_with("plot_"),
        _ => false,
    }
}

fn check_provider_words(source: &Source) -> Vec<String> {
    if may_name_providers(source) {
        return Vec::new();
    }
    let word_in = |text: &str| {
        let text = text.to_lowercase();
        PROVIDER_WORDS.iter().find(|word| text.contains(word.as_str()))
    };
    let say = |n, word: &String| {
        source.offence(n, format!("`{word}` outside the providers: a provider's words stay in its folder"))
    };
    // Naming a provider's folder or plot is how it is found.
    let code = source.code_lines().filter(|(_, line)| !line.starts_with("mod "));
    let in_code = code.filter_map(|(n, line)| Some(say(n, word_in(line)?)));
    in_code.chain(source.live_texts().filter_map(|(n, text)| Some(say(n, word_in(text)?)))).collect()
}

fn check_sql(source: &Source) -> Vec<String> {
    let statement = |text: &str| {
        let text = text.trim_start().to_lowercase();
        let starts =
            |word: &str| text.strip_prefix(word).is_some_and(|rest| rest.starts_with(char::is_whitespace));
        let any = |word: &str| text.split_whitespace().any(|w| w == word);
        (starts("select") && any("from"))
            || (starts("insert") && any("into"))
            || (starts("update") && any("set"))
            || (starts("delete") && any("from"))
            || (starts("with") && any("as") && any("from"))
    };
    let in_store = source.module() == "store";
    source
        .live_texts()
        .filter(|(_, text)| statement(text))
        .filter_map(|(n, text)| match in_store {
            false => Some(source.offence(n, "SQL outside src/store")),
            true => {
                let loud = ["SELECT", "INSERT", "UPDATE", "DELETE", "FROM", "WHERE"];
                let word = text.split_whitespace().find(|w| loud.contains(w))?;
                Some(source.offence(n, format!("SQL keywords are written small: {word}")))
            }
        })
        .collect()
}

fn check_name(source: &Source) -> Vec<String> {
    let empty = |part: &&str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    source
        .path
        .split('/')
        .filter(empty)
        .map(|part| source.offence(1, format!("`{part}` says nothing")))
        .collect()
}

fn check(source: &Source) -> Vec<String> {
    let mut found = [check_header(source), check_leftovers(source), check_name(source)].concat();
    if source.path.starts_with("src/") {
        found.extend(check_direction(source));
        found.extend(check_purity(source));
        found.extend(check_sizes(source));
        found.extend(check_provider_words(source));
        found.extend(check_sql(source));
    }
    found
}

fn rust_files(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap_or_else(|e| panic!("{}: {e}", below.display())).flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 40, "only {} files found", files.len());
    let offences: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            check(&Source::of(&path, &fs::read_to_string(file).unwrap()))
        })
        .collect();
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

const HEADER: &str = "//! What it is for.\n//! What it must not know.\n";

/// The offences of a made-up file, without its path.
fn offences(path: &str, body: &str) -> Vec<String> {
    let found = check(&Source::of(path, &format!("{HEADER}{body}")));
    found.iter().map(|o| o.strip_prefix(&format!("{path}:")).unwrap_or(o).to_owned()).collect()
}

#[test]
fn every_way_to_import_is_seen() {
    for body in [
        "use crate::worker::act;\n",
        "use crate::{store, worker::{act, wake}};\n",
        "use crate::{\n    store::{a, b},\n    worker,\n};\n",
        "use super::super::worker;\n",
        "fn f() { crate::worker::run() }\n",
    ] {
        let found = offences("src/http/api.rs", body);
        assert_eq!(found.len(), 1, "{body}{found:?}");
        assert!(found[0].contains("`http` must not know `worker`"), "{found:?}");
    }
    for body in [
        "use crate::store::worker;\n",
        "use super::worker;\n",
        "// use crate::worker;\n",
        "const X: &str = \"crate::worker\";\n",
        "#[cfg(test)]\nmod tests {\n    use crate::worker;\n}\n",
    ] {
        assert_eq!(offences("src/http/api.rs", body), Vec::<String>::new(), "{body}");
    }
    assert!(offences("src/novel/mod.rs", "")[0].contains("no line in MAY_IMPORT"));
    assert!(offences("src/store/x.rs", "use crate::http;\n")[0].starts_with("3: "));
}

#[test]
fn each_check_finds_what_it_is_for() {
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX));
    // Not written out, or it would be found here as well.
    let note = format!("// {}ME later\n", "FIX");
    let huge = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX);
    let rows: &[(&str, &str, &str)] = &[
        ("src/dispute/x.rs", "use std::time::Duration;\n", "no std::time"),
        ("src/rules/x.rs", "async fn f() { tokio::spawn(g()); }\n", "no tokio::"),
        ("src/store/x.rs", &long, "a function of 72 lines"),
        ("src/store/x.rs", &huge, "402 lines without tests"),
        ("src/store/x.rs", "fn f() { todo!() }\n", "`todo!` is left"),
        ("src/store/x.rs", &note, "`FIXME` is left"),
        ("tests/it/x.rs", "#[ignore]\n", "`#[ignore` is left"),
        ("src/store/x.rs", "#[allow(dead_code)]\nfn f() {}\n", "without its reason"),
        ("src/store/x.rs", "fn is_stripe() {}\n", "`stripe` outside the providers"),
        ("src/worker/x.rs", "const P: &str = \"Razorpay\";\n", "`razorpay` outside the providers"),
        ("src/sandbox/x.rs", "fn stripe() {}\n", "`stripe` outside the providers"),
        ("src/demo/x.rs", "fn f() { stripe() }\n", "`stripe` outside the providers"),
        ("src/http/x.rs", "const Q: &str = r#\"\n  select a\n  from b\"#;\n", "SQL outside src/store"),
        ("src/http/x.rs", "const Q: &str = \"insert into a values (1)\";\n", "SQL outside src/store"),
        ("src/store/x.rs", "const Q: &str = \"SELECT a FROM b\";\n", "written small: SELECT"),
        ("src/store/util.rs", "", "says nothing"),
    ];
    for (path, body, wanted) in rows {
        let found = offences(path, body);
        assert!(found.iter().any(|o| o.contains(wanted)), "{path}: {wanted} not in {found:?}");
    }
    let bare = check(&Source::of("src/store/x.rs", "//! One line.\nfn f() {}\n"));
    assert!(bare[0].contains("1 lines of `//!`"), "{bare:?}");
}

#[test]
fn what_is_right_is_left_alone() {
    let rows: &[(&str, &str)] = &[
        (
            "src/store/x.rs",
            "const Q: &str = \"select a from b where c = 'SELECT'\";\nfn f<'a>(c: char) -> bool { c == '\"' }\n",
        ),
        ("src/providers/stripe/x.rs", "fn stripe() {}\n"),
        ("src/sandbox/stripe/x.rs", "fn stripe() {}\n"),
        ("src/sandbox/x.rs", "mod stripe;\n"),
        ("src/demo/plot_stripe.rs", "fn stripe() {}\n"),
        ("src/dispute/x.rs", "/// Stripe says `due_by` 0.\nfn f() {}\n"),
        ("src/http/x.rs", "const A: &str = \"select one of these\";\nconst B: &str = \"with care\";\n"),
        ("src/store/x.rs", "#[expect(dead_code, reason = \"read by tests\")]\nfn f() {}\n"),
        ("src/store/x.rs", "#[cfg(test)]\nmod tests {\n    const S: &str = \"stripe\";\n}\n"),
        ("src/store/x.rs", "/* todo!() /* nested */ dbg!() */\nconst T: &str = \"todo!()\";\n"),
    ];
    for (path, body) in rows {
        assert_eq!(offences(path, body), Vec::<String>::new(), "{path}:\n{body}");
    }
}
