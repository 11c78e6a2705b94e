//! The little syntax of templates: words, `{path}`, and `{{` `}}` for braces. Read once when rules are
//! loaded; every mistake is named with the piece of text it is in. Knows the paths, not their values.

use std::fmt;

use super::Field;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Words(String),
    Value(Path),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Fact(Vec<String>),
    Evidence(Field),
    DisputeRef,
    DisputePaymentRef,
    DisputeAmount,
    DisputeOpenedAt,
    DisputeReason,
    DisputeProviderReason,
    DisputeNetworkCode,
    DisputeNetwork,
    CycleRespondBy,
    CustomerDisputes90d,
    CustomerDisputesTotal,
}

/// Every path with one name.
const FIXED: &[(&str, Path)] = &[
    ("dispute.ref", Path::DisputeRef),
    ("dispute.payment_ref", Path::DisputePaymentRef),
    ("dispute.amount", Path::DisputeAmount),
    ("dispute.opened_at", Path::DisputeOpenedAt),
    ("dispute.reason", Path::DisputeReason),
    ("dispute.provider_reason", Path::DisputeProviderReason),
    ("dispute.network_code", Path::DisputeNetworkCode),
    ("dispute.network", Path::DisputeNetwork),
    ("cycle.respond_by", Path::CycleRespondBy),
    ("customer.disputes_90d", Path::CustomerDisputes90d),
    ("customer.disputes_total", Path::CustomerDisputesTotal),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MistakeKind {
    /// One that is not closed, or closes nothing.
    Brace,
    /// No fact can be called that.
    FactName,
    /// Nothing is called that.
    Name,
    /// Text where a file's id stands.
    NotOneFile,
}

/// A mistake in a template's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub kind: MistakeKind,
    /// The piece of text it is in, as written, to be found again in the file.
    pub excerpt: String,
    pub message: String,
    /// The word to compare with `names` for a suggestion, and the names that exist.
    pub word: Option<String>,
    pub names: Vec<String>,
}

impl Mistake {
    fn plain(kind: MistakeKind, excerpt: &str, message: impl Into<String>) -> Self {
        Self { kind, excerpt: excerpt.to_owned(), message: message.into(), word: None, names: Vec::new() }
    }

    pub(super) fn not_one_file(source: &str) -> Self {
        Self::plain(
            MistakeKind::NotOneFile,
            source,
            "a file field takes file ids: each entry is one id or one `{placeholder}`",
        )
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Fact(steps) => write!(f, "facts.{}", steps.join(".")),
            Path::Evidence(field) => write!(f, "evidence.{field}"),
            Path::DisputeRef
            | Path::DisputePaymentRef
            | Path::DisputeAmount
            | Path::DisputeOpenedAt
            | Path::DisputeReason
            | Path::DisputeProviderReason
            | Path::DisputeNetworkCode
            | Path::DisputeNetwork
            | Path::CycleRespondBy
            | Path::CustomerDisputes90d
            | Path::CustomerDisputesTotal => {
                let name = FIXED.iter().find(|(_, path)| path == self).map_or("", |(name, _)| name);
                f.write_str(name)
            }
        }
    }
}

/// What may stand in braces, for messages: `facts.…`, `evidence.…` and the fixed names.
pub fn path_names() -> Vec<&'static str> {
    let mut names: Vec<_> = FIXED.iter().map(|(name, _)| *name).collect();
    names.extend(["facts.NAME", "evidence.FIELD"]);
    names
}

/// Splits a template's text. All mistakes are found, not only the first.
pub(super) fn parse_parts(text: &str) -> Result<Vec<Part>, Vec<Mistake>> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut mistakes = Vec::new();
    let mut rest = text;
    let mut unclosed = 0;
    while let Some(at) = rest.find(['{', '}']) {
        words.push_str(&rest[..at]);
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            words.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        if let Some(after) = brace.strip_prefix('}') {
            // One that an unclosed `{` was waiting for is no second mistake.
            if unclosed > 0 {
                unclosed -= 1;
            } else {
                let message = "a `}` that closes nothing; write `}}` for the character";
                mistakes.push(Mistake::plain(MistakeKind::Brace, line_of(brace), message));
            }
            rest = after;
            continue;
        }
        let inside = &brace[1..];
        let Some(end) = inside.find(['{', '}', '\n']).filter(|end| inside[*end..].starts_with('}')) else {
            let message = "a `{` without its `}`; write `{{` for the character";
            mistakes.push(Mistake::plain(MistakeKind::Brace, line_of(brace), message));
            unclosed += 1;
            rest = inside;
            continue;
        };
        match parse_path(&inside[..end]) {
            Ok(path) => {
                if !words.is_empty() {
                    parts.push(Part::Words(std::mem::take(&mut words)));
                }
                parts.push(Part::Value(path));
            }
            Err(mistake) => mistakes.push(mistake),
        }
        rest = &inside[end + 1..];
    }
    words.push_str(rest);
    if !words.is_empty() {
        parts.push(Part::Words(words));
    }
    if mistakes.is_empty() { Ok(parts) } else { Err(mistakes) }
}

/// The rest of the line, to find the place again.
fn line_of(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

fn parse_path(inside: &str) -> Result<Path, Mistake> {
    let excerpt = format!("{{{inside}}}");
    let name = inside.trim();
    if let Some((_, path)) = FIXED.iter().find(|(fixed, _)| *fixed == name) {
        return Ok(path.clone());
    }
    let (root, path) = name.split_once('.').unwrap_or((name, ""));
    match root {
        "facts" if !path.is_empty() && path.split('.').all(is_step) => {
            Ok(Path::Fact(path.split('.').map(str::to_owned).collect()))
        }
        "facts" => Err(Mistake::plain(
            MistakeKind::FactName,
            &excerpt,
            "a fact is named by letters, digits, `_` and `-`: `{facts.order_id}`",
        )),
        "evidence" => path.parse().map(Path::Evidence).map_err(|_| Mistake {
            kind: MistakeKind::Name,
            message: format!("`{path}` is not an evidence field"),
            excerpt,
            word: Some(path.to_owned()),
            names: Field::ALL.iter().map(|f| f.as_str().to_owned()).collect(),
        }),
        _ => Err(Mistake {
            kind: MistakeKind::Name,
            message: format!("`{{{}}}` names nothing", name.chars().take(64).collect::<String>()),
            excerpt,
            word: Some(name.to_owned()),
            names: path_names().into_iter().map(str::to_owned).collect(),
        }),
    }
}

/// One step of a fact's path.
pub fn is_step(step: &str) -> bool {
    !step.is_empty() && step.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
