//! Stripe's way of writing nested parameters as a form: `evidence[receipt]=…`, `expand[0]=…`, `types[]=…`,
//! `created[gte]=…`. Decodes to a tree and judges nothing.

/// A parameter as it was sent. A hash keeps the order it was sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Hash(Vec<(String, Node)>),
}

impl Node {
    pub fn empty() -> Self {
        Node::Hash(vec![])
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Hash(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, node)| node),
            Node::Text(_) => None,
        }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Node::Text(text)) => Some(text),
            Some(Node::Hash(_)) | None => None,
        }
    }

    pub fn fields(&self) -> &[(String, Node)] {
        match self {
            Node::Hash(fields) => fields,
            Node::Text(_) => &[],
        }
    }

    /// The texts of a list, in the order of their indexes as sent.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        let fields = self.get(key).map_or(&[][..], Node::fields);
        let texts = fields.iter().filter_map(|(_, node)| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Hash(_) => None,
        });
        texts.collect()
    }

    fn put(&mut self, path: &[String], value: String) {
        if !matches!(self, Node::Hash(_)) {
            *self = Node::empty();
        }
        let Node::Hash(fields) = self else { return };
        let [first, rest @ ..] = path else { return };
        let key = match first.as_str() {
            "" => fields.len().to_string(),
            named => named.to_owned(),
        };
        let at = match fields.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                fields.push((key, Node::empty()));
                fields.len() - 1
            }
        };
        match rest {
            [] => fields[at].1 = Node::Text(value),
            deeper => fields[at].1.put(deeper, value),
        }
    }
}

/// `a[b][0]` to `a`, `b`, `0`. A key that is not well formed stays one name, and is refused as unknown.
fn path_of(key: &str) -> Vec<String> {
    let whole = || vec![key.to_owned()];
    let Some((head, tail)) = key.split_once('[') else { return whole() };
    let Some(inner) = tail.strip_suffix(']') else { return whole() };
    if head.is_empty() {
        return whole();
    }
    std::iter::once(head).chain(inner.split("][")).map(str::to_owned).collect()
}

pub(super) fn decode(form: &[u8]) -> Node {
    tree(form_urlencoded::parse(form).map(|(key, value)| (key.into_owned(), value.into_owned())))
}

pub(super) fn tree(pairs: impl Iterator<Item = (String, String)>) -> Node {
    let mut root = Node::empty();
    for (key, value) in pairs {
        root.put(&path_of(&key), value);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_indexed_and_bare_lists_decode() {
        let form = b"evidence[customer_name]=Ann%C3%A9+Lee&evidence[more][prior][1][charge]=ch_b&\
                     evidence[more][prior][0][charge]=ch_a&expand[]=charge&expand[]=payment_intent&submit=false";
        let node = decode(form);
        assert_eq!(node.get("evidence").unwrap().text("customer_name"), Some("Anné Lee"));
        let prior = node.get("evidence").unwrap().get("more").unwrap().get("prior").unwrap();
        assert_eq!(prior.get("0").unwrap().text("charge"), Some("ch_a"));
        assert_eq!(prior.get("1").unwrap().text("charge"), Some("ch_b"));
        assert_eq!(node.texts("expand"), ["charge", "payment_intent"]);
        assert_eq!(node.text("submit"), Some("false"));
    }

    #[test]
    fn percent_encoded_brackets_are_brackets_and_broken_keys_stay_one_name() {
        assert_eq!(decode(b"created%5Bgte%5D=5").get("created").unwrap().text("gte"), Some("5"));
        for key in ["evidence[a", "[a]", "a]b["] {
            let pairs = std::iter::once((key.to_owned(), "1".to_owned()));
            assert_eq!(tree(pairs).text(key), Some("1"));
        }
    }
}
