//! Reads what is not JSON into what a schema can be held against: forms with names in brackets, and the parts of a
//! multipart body. What a form writes in letters becomes what the schema says it is, if it can.

use serde_json::{Map, Value, json};

/// `a[b][0]=1&c=true` as an object.
///
/// # Errors
/// A name that stands twice, or brackets that do not close.
pub fn form(text: &[u8], schema: &Value) -> Result<Value, String> {
    let mut read = Map::new();
    for (name, value) in form_urlencoded::parse(text) {
        let mut way = name.split('[');
        let first = way.next().unwrap_or_default().to_owned();
        let rest: Option<Vec<&str>> = way.map(|word| word.strip_suffix(']')).collect();
        let rest = rest.ok_or_else(|| format!("`{name}` has brackets that do not close"))?;
        let mut place = read.entry(first).or_insert(Value::Null);
        for word in rest {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let inside = place.as_object_mut().ok_or_else(|| format!("`{name}` is inside of a value"))?;
            place = inside.entry(word).or_insert(Value::Null);
        }
        if !place.is_null() {
            return Err(format!("`{name}` stands twice"));
        }
        *place = Value::from(value.into_owned());
    }
    Ok(typed(Value::Object(read), schema, schema))
}

/// Texts as what the schema says they are: numbers, flags, lists. What does not read so stays a text, for the schema
/// to refuse.
fn typed(value: Value, schema: &Value, root: &Value) -> Value {
    if let Some(definition) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        return typed(value, definition, root);
    }
    // Of several, the one that is of the same kind.
    if let Some(branches) = schema["anyOf"].as_array() {
        let kind = if value.is_object() { "object" } else { "string" };
        let branch = branches.iter().find(|branch| branch["type"] == kind);
        return branch.map_or_else(|| value.clone(), |branch| typed(value.clone(), branch, root));
    }
    match (schema["type"].as_str(), value) {
        (Some("integer"), Value::String(text)) => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            _ => text.into(),
        },
        (Some("boolean"), Value::String(text)) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.into(),
        },
        (Some("array"), Value::Object(mut fields)) => {
            let places: Vec<String> = (0..fields.len()).map(|n| n.to_string()).collect();
            match places.iter().all(|place| fields.contains_key(place)) {
                true => places
                    .iter()
                    .filter_map(|place| fields.remove(place))
                    .map(|item| typed(item, &schema["items"], root))
                    .collect(),
                false => Value::Object(fields),
            }
        }
        (_, Value::Object(fields)) => {
            let typed = |(name, value): (String, Value)| {
                let value = typed(value, &schema["properties"][&name], root);
                (name, value)
            };
            Value::Object(fields.into_iter().map(typed).collect())
        }
        (_, value) => value,
    }
}

/// The parts by their names: a file as its name, media type and size; JSON as it is; anything else as a text. A part
/// that may come more than once is a list in the schema.
///
/// # Errors
/// No boundary, a part without a name, a name that stands twice, or JSON that is none.
pub fn parts(content_type: &str, body: &[u8], schema: &Value) -> Result<Value, String> {
    let boundary = content_type.split_once("boundary=").ok_or("the content type names no boundary")?.1;
    let line = [b"--", boundary.trim_matches('"').as_bytes()].concat();
    let mut read = Map::new();
    let mut rest = after(body, &line).ok_or("the boundary does not stand in it")?;
    while !rest.starts_with(b"--") {
        let from = rest.strip_prefix(b"\r\n").ok_or("a boundary is not a line")?;
        let end = find(from, &[b"\r\n", line.as_slice()].concat()).ok_or("a part does not end")?;
        let (name, value) = part(&from[..end])?;
        rest = &from[end + 2 + line.len()..];
        match schema["properties"][&name]["type"] == "array" {
            true => {
                let items = read.entry(name).or_insert_with(|| json!([]));
                items.as_array_mut().ok_or("a list is no list")?.push(value);
            }
            false => {
                if read.insert(name.clone(), value).is_some() {
                    return Err(format!("the part `{name}` stands twice"));
                }
            }
        }
    }
    Ok(Value::Object(read))
}

fn part(bytes: &[u8]) -> Result<(String, Value), String> {
    let end = find(bytes, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
    let (head, content) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 4..]);
    let header = |wanted: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.map(|(n, v)| (n.trim(), v.trim())).find(|(n, _)| n.eq_ignore_ascii_case(wanted)).map(|(_, v)| v)
    };
    let disposition = header("content-disposition").ok_or("a part has no disposition")?;
    let named = |wanted: &str| {
        let (_, from) = disposition.split_once(&format!("; {wanted}=\""))?;
        from.split_once('"').map(|(value, _)| value.to_owned())
    };
    let name = named("name").filter(|_| disposition.starts_with("form-data")).ok_or("a part has no name")?;
    let media_type = header("content-type");
    let value = match (named("filename"), media_type) {
        (Some(file), _) => json!({ "name": file, "media_type": media_type, "bytes": content.len() }),
        (None, Some(kind)) if kind.starts_with("application/json") => {
            serde_json::from_slice(content).map_err(|e| format!("the part `{name}`: {e}"))?
        }
        (None, _) => String::from_utf8_lossy(content).into_owned().into(),
    };
    Ok((name, value))
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

fn after<'a>(within: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    find(within, what).map(|at| &within[at + what.len()..])
}
