//! Evidence as a form (multipart/form-data, RFC 7578): the fields that JSON has, and files as they are. Read as it
//! comes, so that what is held in memory is the files and hardly more; whatever is wrong is told with the name of the
//! part. Knows what a form is made of, and nothing of disputes.

use axum::http::{HeaderMap, header};
use multer::{Field as Part, Multipart};
use serde_json::{Map, Value, json};

use super::problem::{Kind, Problem};
use crate::evidence::{Field, FieldKind, spelled};
use crate::http::body::{NoBody, Pieces, Room};
use crate::store::evidence::WORDS_CHARS_MAX;
use crate::store::files::{FILE_BYTES_MAX, NewFile};

/// More than there are fields, with some for fields that have several files.
pub(super) const PARTS_MAX: usize = 100;
/// Words are counted in characters later; so much they can take.
const WORDS_BYTES_MAX: usize = 4 * WORDS_CHARS_MAX;
const SHOWN_CHARS: usize = 64;

/// Keys that are given once and are no evidence.
const FLAGS: &[&str] = &["submit"];
const NUMBERS: &[&str] = &["amount"];
const TEXTS: &[&str] = &["dispute_id", "action", "reason_code", "explanation"];

fn is_key(name: &str) -> bool {
    FLAGS.iter().chain(NUMBERS).chain(TEXTS).any(|key| *key == name)
}

/// What a form says: what JSON would have said in the same words, and the files beside it.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub keys: Map<String, Value>,
    pub files: Vec<(Field, NewFile)>,
}

/// Why a form is not read to its end.
#[derive(Debug)]
pub(super) enum Unread {
    NoBody(NoBody),
    Problem(Problem),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Unread::Problem(problem)
    }
}

/// What parts its form, if the request says that it is one.
pub(super) fn boundary(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_form = said.trim_start().get(..19).is_some_and(|s| s.eq_ignore_ascii_case("multipart/form-data"));
    let no_boundary = || Problem::new(Kind::Broken, "`content-type` does not name the form's boundary");
    is_form.then(|| multer::parse_boundary(said).map_err(|_| no_boundary()))
}

pub(super) async fn read(pieces: &mut Pieces, room: &Room, boundary: String) -> Result<Form, Unread> {
    let mut multipart = Multipart::new(pieces, boundary);
    let mut form = Form::default();
    let mut parts = 0;
    while let Some(part) = multipart.next_field().await.map_err(|e| cut(e, None))? {
        parts += 1;
        if parts > PARTS_MAX {
            return Err(Problem::invalid(format!("a form has at most {PARTS_MAX} parts")).into());
        }
        take(&mut form, room, part).await?;
    }
    Ok(form)
}

async fn take(form: &mut Form, room: &Room, mut part: Part<'_>) -> Result<(), Unread> {
    let Some(name) = part.name().map(plain_name).filter(|name| !name.is_empty()) else {
        return Err(Problem::invalid("a part of the form has no name, or one that is not UTF-8").into());
    };
    match is_file(&part).map_err(|why| at(&name, why))? {
        Some(file_name) => {
            let field = spelled(&name, FieldKind::File).ok_or_else(|| no_place_for_file(&name))?;
            let said = part.headers().get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok());
            let said = said.unwrap_or_default().to_owned();
            let bytes = collect(&mut part, &name, FILE_BYTES_MAX).await?;
            let file =
                NewFile::new(&file_name, room.keep_with(bytes)).and_then(|file| file.said_to_be(&said));
            form.files.push((field, file.map_err(|bad| at(&name, bad))?));
        }
        None => {
            let bytes = collect(&mut part, &name, WORDS_BYTES_MAX).await?;
            let text = String::from_utf8(bytes).map_err(|_| at(&name, "is not UTF-8"))?;
            put(&mut form.keys, &name, text).map_err(|why| at(&name, why))?;
        }
    }
    Ok(())
}

/// `evidence[receipt]` and `receipt[]` are `receipt`: so forms are written that other APIs take.
fn plain_name(name: &str) -> String {
    let name = name.strip_suffix("[]").unwrap_or(name);
    let inner = name.strip_prefix("evidence[").and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(name).to_owned()
}

/// The name of the file, if the part is one: it has a file name, or is of a type that words are not of.
fn is_file(part: &Part<'_>) -> Result<Option<String>, &'static str> {
    let nameless = "holds a file without a name: give it a `filename`, in UTF-8";
    match part.file_name() {
        Some("") => Err(nameless),
        Some(name) => Ok(Some(name.to_owned())),
        None => {
            let disposition = part.headers().get(header::CONTENT_DISPOSITION).map(|value| value.as_bytes());
            let named = disposition.is_some_and(|value| value.windows(8).any(|word| word == b"filename"));
            let said = part.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
            match named || said.is_some_and(|said| !said.to_ascii_lowercase().starts_with(b"text/")) {
                true => Err(nameless),
                false => Ok(None),
            }
        }
    }
}

fn no_place_for_file(name: &str) -> Problem {
    match is_key(name) || spelled(name, FieldKind::Text).is_some() {
        true => at(name, "takes words, and there is a file"),
        false => at(name, "is no evidence field"),
    }
}

async fn collect(part: &mut Part<'_>, name: &str, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|e| cut(e, Some(name)))? {
        if bytes.len() + piece.len() > bytes_max {
            let detail = format!("`{}` takes more than {bytes_max} bytes", shown(name));
            return Err(Problem::new(Kind::TooLarge, detail).with("part", shown(name).into()).into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Writes a text where JSON would have it, as JSON would have it.
fn put(keys: &mut Map<String, Value>, name: &str, text: String) -> Result<(), String> {
    let value = if FLAGS.contains(&name) {
        let flag: bool = text.parse().map_err(|_| "is true or false")?;
        json!(flag)
    } else if NUMBERS.contains(&name) {
        let number: i64 = text.parse().map_err(|_| "is a whole number")?;
        json!(number)
    } else if is_key(name) || spelled(name, FieldKind::Text).or(spelled(name, FieldKind::File)).is_some() {
        json!(text)
    } else {
        return Err("is no evidence field".to_owned());
    };
    let is_list = spelled(name, FieldKind::File).is_some() && spelled(name, FieldKind::Text).is_none();
    match (keys.get_mut(name), is_list) {
        (None, true) => keys.insert(name.to_owned(), json!([value])),
        (None, false) => keys.insert(name.to_owned(), value),
        (Some(Value::Array(all)), true) => {
            all.push(value);
            None
        }
        (Some(_), _) => return Err("is given twice".to_owned()),
    };
    Ok(())
}

/// What is wrong with a part, with its name beside the sentence.
fn at(name: &str, why: impl std::fmt::Display) -> Problem {
    let name = shown(name);
    Problem::invalid(format!("the part `{name}`: {why}")).with("part", name.into())
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

fn cut(error: multer::Error, name: Option<&str>) -> Unread {
    if let multer::Error::StreamReadFailed(source) = &error
        && let Some(why) = source.downcast_ref::<NoBody>()
    {
        return Unread::NoBody(*why);
    }
    let over = matches!(
        error,
        multer::Error::IncompleteFieldData { .. }
            | multer::Error::IncompleteHeaders
            | multer::Error::IncompleteStream
    );
    let problem = match over {
        true => Problem::new(
            Kind::Broken,
            "the form ends before its end, or its parts are not parted by the boundary that `content-type` names",
        ),
        false => Problem::invalid("the head of a part of the form cannot be read"),
    };
    Unread::Problem(match name {
        Some(name) => problem.with("part", shown(name).into()),
        None => problem,
    })
}
